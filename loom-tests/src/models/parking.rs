//! Parking and waking (`greenlet/state.rs`): a wake-up is never lost, and a greenlet never in two queues.
//!
//! Caught: a park committed over a token; steps of the state that do not publish, or do not acquire; a token taken without
//! acquire; a wake-up that leaves the greenlet parked, leaves no token, or leaves no permit.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::{Crossing, explore, explore_within};
use crate::bell::Bell;
use crate::greenlet::state::{Commit, Phase, Start, State, Wake};

/// A greenlet whose hub has nothing else to do, and a stack that only the holder of its `Ready` may touch.
struct Greenlet {
    state: State,
    stack: UnsafeCell<u32>,
    /// How often it was queued; what was written before is there for whoever takes it from the queue.
    queued: AtomicUsize,
    queue: Bell,
}

impl Greenlet {
    fn running() -> Greenlet {
        let state = State::fresh(false);
        assert_eq!(state.start(), Start::Run);
        Greenlet {
            state,
            stack: UnsafeCell::new(0),
            queued: AtomicUsize::new(0),
            queue: Bell::new(),
        }
    }

    /// A slice's use of the stack. Loom fails if two threads do this without an order between them.
    fn use_stack(&self) {
        // SAFETY: what the model is to show.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
    }

    /// `handle::act`, with the slice at once: the waker may be a hub of the same lane.
    fn act(&self, wake: Wake) {
        if wake == Wake::Schedule {
            self.use_stack();
            self.queued.fetch_add(1, Ordering::AcqRel);
            self.queue.ring();
        }
    }

    /// `slice::resume`, after the greenlet has switched away to park.
    fn switch_away(&self) {
        self.use_stack();
        if self.state.commit_park() == Commit::Refused {
            self.use_stack();
            self.queued.fetch_add(1, Ordering::AcqRel);
            self.queue.ring();
        }
    }

    /// `wait::park`, on a hub that sleeps until the greenlet is ready.
    fn park(&self) {
        if !self.state.take_token() {
            let before = self.queued.load(Ordering::Acquire);
            self.switch_away();
            while self.queued.load(Ordering::Acquire) == before {
                self.queue.wait();
            }
        }
    }
}

#[test]
fn a_wake_up_that_races_with_a_park_queues_the_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Greenlet::running());
        let waker = Arc::clone(&greenlet);
        let waker = thread::spawn(move || waker.act(waker.state.unpark()));
        greenlet.switch_away();
        waker.join().unwrap();
        assert_eq!(greenlet.queued.load(Ordering::Relaxed), 1);
        assert_eq!(greenlet.state.phase(), Phase::Active);
        greenlet.use_stack();
    });
}

#[test]
fn two_wake_ups_queue_a_parked_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Greenlet::running());
        assert_eq!(greenlet.state.commit_park(), Commit::Parked);
        let wakers = [(); 2].map(|()| {
            let greenlet = Arc::clone(&greenlet);
            thread::spawn(move || greenlet.act(greenlet.state.unpark()))
        });
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(greenlet.queued.load(Ordering::Relaxed), 1);
        // The later one has left a token, so that what it spoke of is looked at.
        assert!(greenlet.state.take_token());
        greenlet.use_stack();
    });
}

#[test]
fn two_wake_ups_that_race_with_a_park_queue_the_greenlet_once() {
    explore(|| {
        let greenlet = Arc::new(Greenlet::running());
        let wakers = [(); 2].map(|()| {
            let greenlet = Arc::clone(&greenlet);
            thread::spawn(move || greenlet.act(greenlet.state.unpark()))
        });
        greenlet.switch_away();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(greenlet.queued.load(Ordering::Relaxed), 1);
    });
}

/// What the waker wrote before it woke is there for the greenlet, however the wake-up reached it.
#[test]
fn a_wait_sees_what_its_waker_wrote() {
    explore(|| {
        let greenlet = Arc::new(Greenlet::running());
        let message = Arc::new((AtomicBool::new(false), UnsafeCell::new(0), Crossing::new()));
        let waker = {
            let (greenlet, message) = (Arc::clone(&greenlet), Arc::clone(&message));
            thread::spawn(move || {
                // SAFETY: the reader waits for the flag.
                message.1.with_mut(|message| unsafe { *message = 7 });
                message.0.store(true, Ordering::Relaxed);
                greenlet.act(greenlet.state.unpark());
                message.2.pass();
            })
        };
        message.2.pass();
        let mut waits = 0;
        while waits == 0 || !message.0.load(Ordering::Relaxed) {
            greenlet.park();
            waits += 1;
            assert_eq!(waits, 1, "only one wake-up comes");
        }
        // SAFETY: the flag is set, and the wake-up has come after it.
        assert_eq!(message.1.with(|message| unsafe { *message }), 7);
        waker.join().unwrap();
    });
}

/// The public `park` loops on its permit, which internal wake-ups neither use up nor stand for.
/// Three preemptions.
#[test]
fn a_permit_ends_the_public_park_however_it_races_with_an_internal_wake_up() {
    explore_within(3, || {
        let greenlet = Arc::new(Greenlet::running());
        let unparker = Arc::clone(&greenlet);
        let unparker = thread::spawn(move || unparker.act(unparker.state.unpark_with_permit()));
        let waker = Arc::clone(&greenlet);
        let waker = thread::spawn(move || waker.act(waker.state.unpark()));
        while !greenlet.state.take_permit() {
            greenlet.park();
        }
        unparker.join().unwrap();
        waker.join().unwrap();
        assert!(!greenlet.state.take_permit());
    });
}

#[test]
fn a_wake_up_of_a_greenlet_that_ends_does_nothing() {
    explore(|| {
        let greenlet = Arc::new(Greenlet::running());
        let waker = Arc::clone(&greenlet);
        let waker = thread::spawn(move || waker.act(waker.state.unpark()));
        greenlet.state.finish();
        waker.join().unwrap();
        // Not asked: `phase`. Loom would let the waker's step, which came before the plain store of DONE, come after it.
        assert_eq!(greenlet.queued.load(Ordering::Relaxed), 0);
    });
}
