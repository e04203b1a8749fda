//! A greenlet's end against join, timeout, drop and kill (`greenlet/join_cell.rs`): the output is taken or dropped exactly
//! once, and a waiter is woken or comes back, never both, never neither.
//!
//! Caught: an end that does not publish the output or acquire the waiter; a waiter that is not published; a joiner that does
//! not look again after leaving its waiter, or takes one back that the end has seen; an end and a drop that do not see
//! each other; a drop that does not acquire the output; a completed greenlet that a kill wakes.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, explore_within};
use crate::bell::Bell;
use crate::greenlet::join_cell::{Completed, JoinCell};
use crate::greenlet::state::{Commit, Kill, Start, State, Wake};

/// Woken or dropped, never both: whoever has it owns it. Loom reports one that is leaked.
type Waiter = Arc<Bell>;

struct Greenlet {
    state: State,
    join: JoinCell<Waiter>,
    output: UnsafeCell<Option<u32>>,
}

impl Greenlet {
    fn new() -> Arc<Greenlet> {
        Arc::new(Greenlet {
            state: State::fresh(false),
            join: JoinCell::new(),
            output: UnsafeCell::new(None),
        })
    }

    /// The output's owner takes it. Loom fails if there are two.
    fn take(&self) -> Option<u32> {
        // SAFETY: what the model is to show.
        self.output.with_mut(|output| unsafe { (*output).take() })
    }

    /// `Header::complete`, after the output is in its place. Whether it was the completer who dropped the output.
    fn complete(&self, output: u32) {
        // SAFETY: the output is the completer's until it completes.
        self.output
            .with_mut(|place| unsafe { *place = Some(output) });
        match self.join.complete() {
            Completed::Wake(waiter) => waiter.ring(),
            Completed::Unwatched => {}
            Completed::Detached => assert_eq!(self.take(), Some(output)),
        }
    }

    /// `wait::join`, without a deadline.
    fn join(&self) -> u32 {
        let bell = Arc::new(Bell::new());
        if self.join.wait(Arc::clone(&bell)).is_ok() {
            while !self.join.is_complete() {
                bell.wait();
            }
        }
        self.take().expect("complete, and the handle is here")
    }

    /// `Joined::drop`.
    fn detach(&self) {
        drop(self.join.withdraw());
        if self.join.detach() {
            assert!(self.take().is_some(), "the output is the handle's to drop");
        }
    }
}

#[test]
fn join_gets_the_output() {
    explore(|| {
        let greenlet = Greenlet::new();
        let completer = Arc::clone(&greenlet);
        let completer = thread::spawn(move || completer.complete(7));
        assert_eq!(greenlet.join(), 7);
        completer.join().unwrap();
        // `Joined` is taken apart by `into_output`: nothing is left to drop.
        assert_eq!(greenlet.take(), None);
    });
}

#[test]
fn the_second_of_end_and_drop_drops_the_output() {
    explore(|| {
        let greenlet = Greenlet::new();
        let completer = Arc::clone(&greenlet);
        let completer = thread::spawn(move || completer.complete(7));
        greenlet.detach();
        completer.join().unwrap();
        assert_eq!(greenlet.take(), None);
    });
}

#[test]
fn a_join_that_gives_up_has_its_waiter_back_or_an_output_to_take() {
    explore(|| {
        let greenlet = Greenlet::new();
        let completer = Arc::clone(&greenlet);
        let completer = thread::spawn(move || completer.complete(7));
        let bell = Arc::new(Bell::new());
        if greenlet.join.wait(Arc::clone(&bell)).is_ok() {
            // The deadline has passed.
            if greenlet.join.withdraw().is_none() {
                assert!(greenlet.join.is_complete());
                bell.wait();
            }
        }
        if greenlet.join.is_complete() {
            assert_eq!(greenlet.take(), Some(7));
            assert!(greenlet.join.detach());
        } else {
            greenlet.detach();
        }
        completer.join().unwrap();
        assert_eq!(greenlet.take(), None);
    });
}

/// A future that is polled again changes its waker; `as_completed` does the same.
#[test]
fn the_waiter_that_was_left_last_is_woken() {
    explore(|| {
        let greenlet = Greenlet::new();
        let completer = Arc::clone(&greenlet);
        let completer = thread::spawn(move || completer.complete(7));
        let first = Arc::new(Bell::new());
        let second = Arc::new(Bell::new());
        let _ = greenlet.join.wait(first);
        drop(greenlet.join.withdraw());
        if greenlet.join.wait(Arc::clone(&second)).is_ok() {
            while !greenlet.join.is_complete() {
                second.wait();
            }
        }
        assert_eq!(greenlet.take(), Some(7));
        completer.join().unwrap();
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_neither_waiter_nor_output() {
    explore(|| {
        let greenlet = Greenlet::new();
        let completer = Arc::clone(&greenlet);
        let completer = thread::spawn(move || completer.complete(7));
        let _ = greenlet.join.wait(Arc::new(Bell::new()));
        greenlet.detach();
        completer.join().unwrap();
        assert_eq!(greenlet.take(), None);
    });
}

/// A started greenlet ends, and its waiter's code waits for `released`; `Header::serve`, and the hub that resumes it.
struct Ending {
    greenlet: Arc<Greenlet>,
    /// What the foreign code waits for.
    released: AtomicBool,
    /// The greenlet is in its hub's queue.
    queued: Bell,
}

impl Ending {
    fn end(&self) {
        // SAFETY: the output is the completer's until it completes.
        self.greenlet
            .output
            .with_mut(|place| unsafe { *place = Some(7) });
        match self.greenlet.join.complete() {
            Completed::Unwatched => {}
            Completed::Wake(waiter) => {
                self.greenlet.state.shield();
                waiter.ring();
                self.wait_for_release();
            }
            Completed::Detached => {
                self.greenlet.state.shield();
                assert_eq!(self.greenlet.take(), Some(7));
                self.wait_for_release();
            }
        }
        self.greenlet.state.finish();
    }

    /// A wait as in `wait`, seen from both of its sides: the greenlet's and its hub's.
    fn wait_for_release(&self) {
        let state = &self.greenlet.state;
        while !self.released.load(Ordering::Acquire) {
            assert!(!state.kill_is_due(), "what was completed is broken off");
            if !state.take_token() && state.commit_park() == Commit::Parked {
                self.queued.wait();
            }
        }
    }

    fn release(&self) {
        self.released.store(true, Ordering::Release);
        if self.greenlet.state.unpark() == Wake::Schedule {
            self.queued.ring();
        }
    }
}

/// A greenlet has left its output, its waiter's code waits, and both a kill and the handle's owner come: the output is taken or
/// dropped once, and what waits is woken by who is to wake it alone.
#[test]
fn a_completed_greenlet_waits_as_any_other_and_cannot_be_killed() {
    for joins in [false, true] {
        explore_within(2, move || {
            let greenlet = Greenlet::new();
            assert_eq!(greenlet.state.start(), Start::Run);
            let waiter = Arc::new(Bell::new());
            assert!(greenlet.join.wait(Arc::clone(&waiter)).is_ok());
            let ending = Arc::new(Ending {
                greenlet: Arc::clone(&greenlet),
                released: AtomicBool::new(false),
                queued: Bell::new(),
            });
            let ends = Arc::clone(&ending);
            let ends = thread::spawn(move || ends.end());
            let releases = Arc::clone(&ending);
            let releases = thread::spawn(move || releases.release());
            if joins {
                while !greenlet.join.is_complete() {
                    waiter.wait();
                }
                let killed = greenlet.state.kill();
                assert_eq!(greenlet.take(), Some(7));
                // Between completing and the shield it does not park, and then it is shielded.
                assert_eq!(killed, Kill::Nothing);
            } else {
                drop(waiter);
                greenlet.detach();
            }
            ends.join().unwrap();
            releases.join().unwrap();
            assert_eq!(greenlet.take(), None);
        });
    }
}

/// The killer of a fresh greenlet completes it, unless a hub was faster.
fn kill_or_run(greenlet: &Arc<Greenlet>) -> [thread::JoinHandle<()>; 2] {
    let (killer, hub) = (Arc::clone(greenlet), Arc::clone(greenlet));
    let killer = thread::spawn(move || {
        if killer.state.kill() == Kill::Cancel {
            killer.complete(1);
        }
    });
    let hub = thread::spawn(move || {
        if hub.state.start() == Start::Run {
            hub.state.finish();
            hub.complete(2);
        }
    });
    [killer, hub]
}

#[test]
fn join_gets_one_outcome_of_a_kill_that_races_with_the_first_slice() {
    explore(|| {
        let greenlet = Greenlet::new();
        let others = kill_or_run(&greenlet);
        assert!([1, 2].contains(&greenlet.join()));
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(greenlet.take(), None);
    });
}

#[test]
fn drop_leaves_no_output_of_a_kill_that_races_with_the_first_slice() {
    explore(|| {
        let greenlet = Greenlet::new();
        let others = kill_or_run(&greenlet);
        greenlet.detach();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(greenlet.take(), None);
    });
}
