//! The public `park`: std's, on a greenlet.

use std::time::{Duration, Instant};

use super::interrupt::deliver_due;
use super::park::{deadline_after, has_passed, park as wait, within_limits};
use super::yielding::give_way;
use crate::context;
use crate::greenlet::{Header, WaitKind};

/// Waits until somebody calls [`Greenlet::unpark`](crate::Greenlet::unpark), as [`std::thread::park`] does. A permit that
/// was left before is taken at once. Other greenlets run meanwhile.
///
/// On a plain OS thread this is [`std::thread::park`], and [`std::thread::Thread::unpark`] ends it.
///
/// ```
/// greenhub::run(|| {
///     let sleeper = greenhub::spawn(|| {
///         greenhub::park();
///         "woken"
///     });
///     sleeper.greenlet().unpark();
///     assert_eq!(sleeper.join().unwrap(), "woken");
/// });
/// ```
#[track_caller]
#[inline(always)]
pub fn park() {
    match context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        Some(header) => park_until(unsafe { header.as_ref() }, None),
        None => park_thread(None),
    }
}

/// As [`park()`], but waits no longer than `timeout`.
///
/// ```
/// use std::time::Duration;
///
/// greenhub::run(|| greenhub::park_timeout(Duration::from_millis(1)));
/// ```
#[track_caller]
pub fn park_timeout(timeout: Duration) {
    match context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        Some(header) => park_until(unsafe { header.as_ref() }, deadline_after(timeout)),
        None => park_thread(deadline_after(timeout)),
    }
}

/// std's own park, because std's own unpark is to end it.
fn park_thread(deadline: Option<Instant>) {
    deliver_due();
    match within_limits(deadline) {
        None => std::thread::park(),
        Some(until) => {
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
            deliver_due();
        }
    }
}

#[track_caller]
#[inline(always)]
fn park_until(header: &Header, deadline: Option<Instant>) {
    while !header.state().take_permit() {
        if has_passed(deadline) {
            // A loop around this must not keep the hub to itself.
            give_way();
            header.state().take_permit();
            return;
        }
        wait(WaitKind::Park, deadline);
    }
}
