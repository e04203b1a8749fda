//! Kills (`greenlet/state.rs`): before the first slice, during a park, behind a shield, at the end.
//!
//! Caught: a park committed over a kill; a kill that ends a shielded park, or leaves the greenlet parked; a killed fresh
//! greenlet that starts; a cancellation that does not claim the closure; an end that is not final.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::explore;
use crate::greenlet::join_cell::{Completed, JoinCell};
use crate::greenlet::state::{Commit, Kill, Start, State, Wake};

/// A greenlet from its birth, with a closure that is run or dropped by exactly one thread.
struct Fresh {
    state: State,
    closure: UnsafeCell<Option<&'static str>>,
    join: JoinCell<()>,
    ran: AtomicUsize,
    completed: AtomicUsize,
}

impl Fresh {
    fn new(pinned: bool) -> Fresh {
        Fresh {
            state: State::fresh(pinned),
            closure: UnsafeCell::new(Some("closure")),
            join: JoinCell::new(),
            ran: AtomicUsize::new(0),
            completed: AtomicUsize::new(0),
        }
    }

    /// The closure's owner takes it, and completes the greenlet.
    fn consume(&self) {
        // SAFETY: what the model is to show.
        let closure = self
            .closure
            .with_mut(|closure| unsafe { (*closure).take() });
        assert_eq!(closure, Some("closure"));
        assert_eq!(self.join.complete(), Completed::Unwatched);
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// `handle::kill`.
    fn kill(&self) {
        match self.state.kill() {
            Kill::Cancel => self.consume(),
            Kill::Schedule => panic!("it has never parked"),
            Kill::Nothing => {}
        }
    }

    /// `slice::begin`, and a slice without a wait. (One that was killed while it was pinned begins, too: to drop its closure.)
    fn begin(&self) {
        match self.state.start() {
            Start::Run => {
                self.ran.fetch_add(1, Ordering::Relaxed);
                self.state.finish();
                self.consume();
            }
            Start::Gone => {}
        }
    }

    /// `slice::cancel`, by a hub of a runtime that is shut down.
    fn cancel(&self) {
        if self.state.cancel() {
            self.consume();
        }
    }

    fn check(&self) {
        assert_eq!(self.completed.load(Ordering::Relaxed), 1);
        assert!(self.join.is_complete());
    }
}

#[test]
fn a_kill_that_races_with_the_first_slice_completes_the_greenlet_once() {
    for pinned in [false, true] {
        explore(move || {
            let greenlet = Arc::new(Fresh::new(pinned));
            let killer = Arc::clone(&greenlet);
            let killer = thread::spawn(move || killer.kill());
            greenlet.begin();
            killer.join().unwrap();
            greenlet.check();
        });
    }
}

#[test]
fn two_kills_and_the_first_slice_complete_the_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Fresh::new(false));
        let killers = [(); 2].map(|()| {
            let greenlet = Arc::clone(&greenlet);
            thread::spawn(move || greenlet.kill())
        });
        greenlet.begin();
        killers
            .into_iter()
            .for_each(|killer| killer.join().unwrap());
        greenlet.check();
    });
}

#[test]
fn a_kill_that_races_with_a_cancellation_completes_the_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Fresh::new(false));
        let killer = Arc::clone(&greenlet);
        let killer = thread::spawn(move || killer.kill());
        greenlet.cancel();
        killer.join().unwrap();
        assert_eq!(greenlet.ran.load(Ordering::Relaxed), 0);
        greenlet.check();
    });
}

/// A started greenlet, and how often it was queued.
struct Started {
    state: State,
    stack: UnsafeCell<u32>,
    queued: AtomicUsize,
}

impl Started {
    fn new() -> Started {
        let state = State::fresh(false);
        assert_eq!(state.start(), Start::Run);
        Started {
            state,
            stack: UnsafeCell::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    /// Whoever queues it holds its stack.
    fn queue(&self) {
        // SAFETY: what the model is to show.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    fn kill(&self) {
        match self.state.kill() {
            Kill::Schedule => self.queue(),
            Kill::Cancel => panic!("it has begun"),
            Kill::Nothing => {}
        }
    }

    fn unpark(&self) {
        if self.state.unpark() == Wake::Schedule {
            self.queue();
        }
    }

    /// Whether the park was committed.
    fn park(&self) -> bool {
        // SAFETY: what the model is to show.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
        match self.state.commit_park() {
            Commit::Parked => true,
            Commit::Refused => {
                self.queue();
                false
            }
        }
    }

    fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

#[test]
fn a_kill_and_a_wake_up_queue_a_parked_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        assert!(greenlet.park());
        let (killer, waker) = (Arc::clone(&greenlet), Arc::clone(&greenlet));
        let killer = thread::spawn(move || killer.kill());
        let waker = thread::spawn(move || waker.unpark());
        killer.join().unwrap();
        waker.join().unwrap();
        assert_eq!(greenlet.queued(), 1);
        assert!(greenlet.state.kill_is_due());
    });
}

#[test]
fn no_greenlet_sleeps_through_a_kill() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        let killer = Arc::clone(&greenlet);
        let killer = thread::spawn(move || killer.kill());
        greenlet.park();
        killer.join().unwrap();
        assert_eq!(greenlet.queued(), 1);
        assert!(greenlet.state.kill_is_due());
    });
}

#[test]
fn a_kill_a_wake_up_and_a_park_queue_the_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        let (killer, waker) = (Arc::clone(&greenlet), Arc::clone(&greenlet));
        let killer = thread::spawn(move || killer.kill());
        let waker = thread::spawn(move || waker.unpark());
        greenlet.park();
        killer.join().unwrap();
        waker.join().unwrap();
        assert_eq!(greenlet.queued(), 1);
        assert!(greenlet.state.kill_is_due());
    });
}

#[test]
fn a_shielded_park_is_ended_by_its_wake_up_alone_and_the_kill_comes_after_the_shield() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        greenlet.state.shield();
        let killer = Arc::clone(&greenlet);
        let killer = thread::spawn(move || killer.kill());
        assert!(
            greenlet.park(),
            "nobody has woken it, and the kill must wait"
        );
        assert_eq!(greenlet.queued(), 0);
        greenlet.unpark();
        assert_eq!(greenlet.queued(), 1);
        assert!(!greenlet.state.kill_is_due());
        greenlet.state.unshield();
        killer.join().unwrap();
        assert!(greenlet.state.kill_is_due());
        assert!(!greenlet.park());
    });
}

#[test]
fn a_kill_that_races_with_the_end_of_a_shield_is_delivered_at_the_next_park() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        greenlet.state.shield();
        let killer = Arc::clone(&greenlet);
        let killer = thread::spawn(move || killer.kill());
        greenlet.state.unshield();
        greenlet.park();
        killer.join().unwrap();
        assert_eq!(greenlet.queued(), 1);
        assert!(greenlet.state.kill_is_due());
    });
}

#[test]
fn a_kill_of_a_greenlet_that_ends_does_nothing() {
    explore(|| {
        let greenlet = Arc::new(Started::new());
        let (killer, waker) = (Arc::clone(&greenlet), Arc::clone(&greenlet));
        let killer = thread::spawn(move || killer.kill());
        let waker = thread::spawn(move || waker.unpark());
        greenlet.state.finish();
        killer.join().unwrap();
        waker.join().unwrap();
        assert_eq!(greenlet.queued(), 0);
    });
}
