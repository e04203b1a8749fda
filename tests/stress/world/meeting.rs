//! A barrier, whose every round has one leader.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use greenhub::sync::Barrier;

use super::faults::Faults;
use super::waiters::Waiters;

/// See the module.
#[derive(Debug)]
pub(crate) struct Meeting {
    barrier: Barrier,
    size: usize,
    pub(crate) waiters: Waiters,
    passed: AtomicUsize,
    led: AtomicUsize,
}

impl Meeting {
    pub(crate) fn new(size: usize) -> Meeting {
        Meeting {
            barrier: Barrier::new(size),
            size,
            waiters: Waiters::default(),
            passed: AtomicUsize::new(0),
            led: AtomicUsize::new(0),
        }
    }

    /// Waits until all have come.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let result = self.barrier.wait();
        self.passed.fetch_add(1, Ordering::Relaxed);
        if result.is_leader() {
            self.led.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everybody has passed, or has gone away: it can be passed again, and every round has had its leader.
    pub(crate) fn check(&self, faults: &Faults) {
        thread::scope(|s| {
            for _ in 0..self.size {
                s.spawn(|| self.wait());
            }
        });
        let (passed, led) = (
            self.passed.load(Ordering::Relaxed),
            self.led.load(Ordering::Relaxed),
        );
        if passed != led * self.size {
            faults.tell(format!(
                "a barrier for {} was passed {passed} times, with {led} leaders",
                self.size
            ));
        }
    }
}
