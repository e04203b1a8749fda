//! A greenlet that is unwinding blocks its OS thread (`greenlet/blocked.rs`), and is woken all the same.
//!
//! Loom's locks cannot be statics, so the two functions are written out here; the state is the library's.
//!
//! Caught: a blocked thread that is not woken.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::greenlet::state::{Start, State, Wake};
use crate::primitive::sync::{Condvar, Mutex};

struct Thread {
    state: State,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Thread {
    /// `block_thread`, without a deadline.
    fn block(&self) {
        self.state.enter_blocked();
        let mut guard = self.lock.lock();
        while !self.state.take_token() {
            guard = self.woken.wait(guard);
        }
        drop(guard);
        self.state.leave_blocked();
    }

    /// `handle::act`, and `wake_threads`.
    fn unpark(&self) {
        match self.state.unpark() {
            Wake::Schedule => panic!("it does not park"),
            Wake::Thread => {
                drop(self.lock.lock());
                self.woken.notify_all();
            }
            Wake::Nothing => {}
        }
    }
}

#[test]
fn a_wake_up_ends_the_wait_of_a_greenlet_that_blocks_its_thread() {
    explore(|| {
        let state = State::fresh(false);
        assert_eq!(state.start(), Start::Run);
        let blocked = Arc::new(Thread {
            state,
            lock: Mutex::new(()),
            woken: Condvar::new(),
        });
        let waker = Arc::clone(&blocked);
        let waker = thread::spawn(move || waker.unpark());
        blocked.block();
        waker.join().unwrap();
        assert!(!blocked.state.take_token());
    });
}

/// While one of two greenlets on two threads is woken, the other sleeps on, and misses nothing.
#[test]
fn two_wake_ups_end_two_waits() {
    explore(|| {
        let state = State::fresh(false);
        assert_eq!(state.start(), Start::Run);
        let blocked = Arc::new(Thread {
            state,
            lock: Mutex::new(()),
            woken: Condvar::new(),
        });
        let waker = Arc::clone(&blocked);
        let waker = thread::spawn(move || waker.unpark());
        blocked.block();
        waker.join().unwrap();
        let waker = Arc::clone(&blocked);
        let waker = thread::spawn(move || waker.unpark());
        blocked.block();
        waker.join().unwrap();
    });
}
