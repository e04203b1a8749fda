//! A spawn against a runtime's end (`scheduler/closing.rs`): every greenlet is run or cancelled, once.
//!
//! Caught: the fence left out after a push, and before a hub's last look; a spawner, or a hub, that does not look again.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::explore_within;
use crate::bell::Bell;
use crate::scheduler::closing::Closing;

struct Runtime {
    closing: Closing,
    /// How many greenlets lie in the injector. Relaxed: a look may see it as it was a while ago.
    injector: AtomicUsize,
    hub: Bell,
    /// How many were run or cancelled.
    ended: AtomicUsize,
}

impl Runtime {
    fn new() -> Arc<Runtime> {
        Arc::new(Runtime {
            closing: Closing::new(),
            injector: AtomicUsize::new(0),
            hub: Bell::new(),
            ended: AtomicUsize::new(0),
        })
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.injector.load(Ordering::Relaxed) > 0
            && self
                .injector
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |count| {
                    count.checked_sub(1)
                })
                .is_ok()
    }

    /// `spawn::push_outside`.
    fn spawn(&self) {
        if self.closing.is_raised() {
            return self.end();
        }
        self.injector.fetch_add(1, Ordering::Release);
        self.hub.ring();
        if self.closing.is_raised_after_push() {
            self.clear();
        }
    }

    /// `shutdown::clear_injector`.
    fn clear(&self) {
        while self.take() {
            self.end();
        }
    }

    /// A hub, until it ends.
    fn run(&self) {
        loop {
            if self.take() {
                self.end();
                continue;
            }
            if self.closing.is_raised_before_last_look() {
                return self.clear();
            }
            self.hub.wait();
        }
    }

    fn close(&self) {
        self.closing.raise();
        self.hub.ring();
    }
}

/// Three preemptions.
#[test]
fn what_is_spawned_while_the_runtime_closes_is_run_or_cancelled_once() {
    explore_within(3, || {
        let runtime = Runtime::new();
        let hub = Arc::clone(&runtime);
        let hub = thread::spawn(move || hub.run());
        let spawner = Arc::clone(&runtime);
        let spawner = thread::spawn(move || spawner.spawn());
        runtime.close();
        hub.join().unwrap();
        spawner.join().unwrap();
        assert_eq!(runtime.ended.load(Ordering::Relaxed), 1);
    });
}

/// Two preemptions. The hub closes its runtime itself: three threads are enough.
#[test]
fn two_spawners_that_clear_the_injector_cancel_each_greenlet_once() {
    explore_within(2, || {
        let runtime = Runtime::new();
        let spawners = [(); 2].map(|()| {
            let runtime = Arc::clone(&runtime);
            thread::spawn(move || runtime.spawn())
        });
        runtime.close();
        runtime.run();
        spawners
            .into_iter()
            .for_each(|spawner| spawner.join().unwrap());
        assert_eq!(runtime.ended.load(Ordering::Relaxed), 2);
    });
}
