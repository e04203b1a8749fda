//! Timers (`driver/timers.rs`): each is fired or cancelled, once, and no hub blocks past the first.
//!
//! Caught: a stale key that cancels; a cancellation that hides the second timer; an earlier timer that is not told of, or not
//! noted; a timer that stays armed when it fires.

use std::time::{Duration, Instant};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::explore;
use crate::bell::Bell;
use crate::driver::{Timers, arm_remote};

/// A hub's timers, with the moments that the models speak of.
struct Driver {
    timers: Timers<usize>,
    bell: Bell,
    base: Instant,
    fired: AtomicUsize,
}

impl Driver {
    fn new() -> Driver {
        let timers = Timers::new();
        Driver {
            timers,
            bell: Bell::new(),
            base: Instant::now(),
            fired: AtomicUsize::new(0),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.base + Duration::from_secs(seconds)
    }

    fn fire(&self, seconds: u64) {
        self.timers.fire(self.at(seconds), |fire| {
            self.fired.fetch_add(fire, Ordering::Relaxed);
        });
    }

    fn fired(&self) -> usize {
        self.fired.load(Ordering::Relaxed)
    }

    /// A hub that blocks in its poller whenever the first deadline is later than `now`, until `fire` has been fired.
    fn serve(&self, now: u64, fire: usize) {
        loop {
            self.fire(now);
            if self.fired() >= fire {
                return;
            }
            if self.timers.next().is_none_or(|next| next > self.at(now)) {
                self.bell.wait();
            }
        }
    }
}

#[test]
fn a_timer_is_fired_or_cancelled() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        let key = driver.timers.arm(driver.at(5), 1);
        let hub = Arc::clone(&driver);
        let hub = thread::spawn(move || hub.fire(10));
        let cancelled = driver.timers.cancel(key).unwrap_or(0);
        hub.join().unwrap();
        assert_eq!(cancelled + driver.fired(), 1);
        assert_eq!(driver.timers.next(), None);
    });
}

/// The reset of a timeout: the slot is used again at once, and the first timer's entry is stale.
#[test]
fn a_timer_that_is_cancelled_and_armed_again_is_fired_once() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        let key = driver.timers.arm(driver.at(5), 1);
        let other = driver.timers.arm(driver.at(60), 1000);
        let hub = Arc::clone(&driver);
        let hub = thread::spawn(move || hub.fire(10));
        let cancelled = driver.timers.cancel(key).unwrap_or(0);
        driver.timers.arm(driver.at(6), 10);
        assert_eq!(driver.timers.cancel(key), None);
        hub.join().unwrap();
        driver.fire(10);
        assert_eq!(cancelled + driver.fired(), 11);
        assert_eq!(driver.timers.next(), Some(driver.at(60)));
        assert_eq!(driver.timers.cancel(other), Some(1000));
    });
}

#[test]
fn two_threads_that_fire_fire_each_timer_once() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        driver.timers.arm(driver.at(5), 1);
        driver.timers.arm(driver.at(6), 10);
        let helper = Arc::clone(&driver);
        let helper = thread::spawn(move || helper.fire(10));
        driver.fire(10);
        helper.join().unwrap();
        assert_eq!(driver.fired(), 11);
    });
}

/// A greenlet that was stolen while it waited cancels its timeout from another hub.
#[test]
fn a_cancellation_of_the_first_timer_does_not_hide_the_second() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        let first = driver.timers.arm(driver.at(5), 1);
        driver.timers.arm(driver.at(6), 10);
        let other = Arc::clone(&driver);
        let other = thread::spawn(move || other.timers.cancel(first).unwrap_or(0));
        driver.serve(10, 10);
        let cancelled = other.join().unwrap();
        assert_eq!(cancelled + driver.fired(), 11);
    });
}

#[test]
fn a_timer_armed_from_elsewhere_wakes_a_hub_that_blocks_for_longer() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        driver.timers.arm(driver.at(60), 1000);
        let other = Arc::clone(&driver);
        let other = thread::spawn(move || {
            arm_remote(&other.timers, other.at(5), 1, || other.bell.ring());
        });
        driver.serve(10, 1);
        other.join().unwrap();
        assert_eq!(driver.fired(), 1);
    });
}

#[test]
fn what_a_shutdown_drains_is_fired_or_drained() {
    explore(|| {
        let driver = Arc::new(Driver::new());
        driver.timers.arm(driver.at(5), 1);
        let hub = Arc::clone(&driver);
        let hub = thread::spawn(move || hub.timers.drain().into_iter().sum::<usize>());
        driver.timers.arm(driver.at(6), 10);
        driver.fire(10);
        let drained = hub.join().unwrap();
        assert_eq!(drained + driver.fired(), 11);
    });
}
