//! Sleeping.

use std::time::{Duration, Instant};

use crate::greenlet::WaitKind;
use crate::wait;

/// Waits for `duration`, never less. Other greenlets run meanwhile, even if it is zero. On a plain OS thread the thread
/// sleeps.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let began = Instant::now();
/// greenhub::run(|| greenhub::sleep(Duration::from_millis(5)));
/// assert!(began.elapsed() >= Duration::from_millis(5));
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    sleep_to(wait::deadline_after(duration));
}

/// Waits until `deadline`; only yields if that is past.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// greenhub::run(|| {
///     let deadline = Instant::now() + Duration::from_millis(5);
///     greenhub::sleep_until(deadline);
///     assert!(Instant::now() >= deadline);
/// });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) {
    sleep_to(Some(deadline));
}

/// `None` is beyond the clock's end: for ever.
#[track_caller]
pub(super) fn sleep_to(deadline: Option<Instant>) {
    if wait::has_passed(deadline) {
        // Others run all the same, and what is due is delivered, on an OS thread, too: a loop around this must not keep the hub
        // to itself, nor outlast its time.
        wait::deliver_due();
        return wait::yield_now();
    }
    while !wait::has_passed(deadline) {
        wait::park(WaitKind::Sleep, deadline);
    }
}
