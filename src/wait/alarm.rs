//! Timers that wake the greenlet that set them.

use std::cell::OnceCell;
use std::time::Instant;

use super::unparker::current_unparker;
use crate::context;
use crate::driver::{Driver, Fire, TimerKey};
use crate::greenlet::Alert;
use crate::primitive::sync::Arc;

/// An armed timer that wakes the current greenlet, disarmed when dropped.
pub(super) struct Alarm {
    driver: Arc<Driver>,
    key: TimerKey,
}

impl Alarm {
    /// `None` on a plain OS thread, which has no timers.
    pub(super) fn set(at: Instant) -> Option<Alarm> {
        context::greenlet()?;
        let fire = Fire::Unpark(current_unparker());
        context::with_driver(|driver| Alarm {
            key: driver.timers().arm(at, fire),
            driver: Arc::clone(driver),
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        drop(self.driver.timers().cancel(self.key));
    }
}

/// Room for the alarm of a time limit, which is set when the greenlet first waits: a call that does not wait costs no timer.
#[derive(Default)]
pub(super) struct LateAlarm(OnceCell<Alarm>);

impl Alert for LateAlarm {
    fn set(&self, at: Instant) {
        if let Some(alarm) = Alarm::set(at) {
            // Nothing is in there: a limit's alert is set once.
            let _ = self.0.set(alarm);
        }
    }
}
