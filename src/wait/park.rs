//! Parking: giving the hub, or the OS thread, to others until somebody wakes us.

use std::panic::Location;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use crate::context;
use crate::driver::{Driver, Fire, TimerKey};
use crate::fiber::Suspend;
use crate::greenlet::{
    Greenlet, Header, Unparker, WaitKind, block_thread, deliver_kill_by_unwinding,
};
use crate::primitive::sync::Arc;
use crate::primitive::thread::Parker;

/// The caller runs in a greenlet, not on a plain OS thread.
pub(crate) fn in_greenlet() -> bool {
    context::greenlet().is_some()
}

/// What wakes the caller from [`park`].
pub(crate) fn current_unparker() -> Unparker {
    match context::greenlet() {
        // SAFETY: the calling greenlet's own.
        Some(header) => Unparker::Greenlet(unsafe { Greenlet::for_waker(header) }),
        None => Unparker::Thread(
            context::with_parker(|parker| parker.unparker().clone())
                .unwrap_or_else(|| Parker::new().unparker().clone()),
        ),
    }
}

/// Unwinds the calling greenlet if it has been killed, and nothing shields it.
#[inline]
pub(crate) fn deliver_kill() {
    if let Some(header) = context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        deliver_kill_to(unsafe { header.as_ref() });
    }
}

/// The same for a caller that knows its header.
#[inline(always)]
pub(super) fn deliver_kill_to(header: &Header) {
    if header.state().kill_is_due() && !std::thread::panicking() {
        deliver_kill_by_unwinding();
    }
}

/// Waits until [`Unparker::unpark`], or the deadline; may return spuriously. A kill that is due unwinds from here, before
/// the wait; one that comes during it ends it.
///
/// Always inlined, up to the public call: a processor predicts returns by the calls that it has seen, and a switch of
/// stacks upsets that once for every function between the switch and the user's own. Whatever does not switch is in
/// [`prepare`], out of line.
#[track_caller]
#[inline(always)]
pub(crate) fn park(kind: WaitKind, deadline: Option<Instant>) {
    if let Some(Parking { header, _alarm }) = prepare(kind, Location::caller(), deadline) {
        // SAFETY: it is the calling greenlet's own header, and it runs.
        unsafe { header.as_ref().suspender() }.suspend(Suspend::Park);
    }
}

/// A greenlet about to switch to its hub, and what wakes it at its deadline.
struct Parking {
    header: NonNull<Header>,
    _alarm: Option<Alarm>,
}

/// `None`: the wait is over already.
#[inline(never)]
fn prepare(
    kind: WaitKind,
    place: &'static Location<'static>,
    deadline: Option<Instant>,
) -> Option<Parking> {
    let Some(header) = context::greenlet() else {
        park_thread(deadline);
        return None;
    };
    // SAFETY: the greenlet runs, so it is alive.
    let this = unsafe { header.as_ref() };
    deliver_kill_to(this);
    this.wait_info().set(kind, place);
    if this.state().take_token() {
        return None;
    }
    if std::thread::panicking() {
        // std counts panics by thread: nobody else may run here until this one has unwound.
        block_thread(this.state(), deadline);
        return None;
    }
    Some(Parking {
        header,
        _alarm: deadline.map(Alarm::set),
    })
}

#[cold]
fn park_thread(deadline: Option<Instant>) {
    let parked = context::with_parker(|parker| match deadline {
        None => parker.park(),
        Some(deadline) => parker.park_deadline(deadline),
    });
    if parked.is_none() {
        // The thread is being torn down, and its parker gone: nobody can wake it, so it looks again and again.
        std::thread::sleep(TORN_DOWN);
    }
}

/// Between two looks of a thread that is being torn down.
const TORN_DOWN: Duration = Duration::from_millis(1);

/// An armed timer that wakes the current greenlet, disarmed when dropped.
struct Alarm {
    driver: Arc<Driver>,
    key: TimerKey,
}

impl Alarm {
    fn set(at: Instant) -> Alarm {
        let fire = Fire::Unpark(current_unparker());
        context::with_driver(|driver| Alarm {
            key: driver.timers().arm(at, fire),
            driver: Arc::clone(driver),
        })
        .expect("a greenlet runs on a hub")
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        drop(self.driver.timers().cancel(self.key));
    }
}

/// The point in time `delay` from now; `None`, that is never, if there is no such point.
pub(crate) fn deadline_after(delay: Duration) -> Option<Instant> {
    Instant::now().checked_add(delay)
}

/// The deadline, if there is one, is not in the future.
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
