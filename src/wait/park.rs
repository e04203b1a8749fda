//! Parking: giving the hub, or the OS thread, to others until somebody wakes us.

use std::panic::Location;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::interrupt::{deliver_due, deliver_due_to};
use crate::context;
use crate::fiber::Suspend;
use crate::greenlet::{Header, Interrupts, Moment, WaitKind, block_thread};

/// The caller runs in a greenlet, not on a plain OS thread.
pub(crate) fn in_greenlet() -> bool {
    context::greenlet().is_some()
}

/// Waits until [`Unparker::unpark`](crate::greenlet::Unparker::unpark), or the deadline; may return spuriously. A kill or a
/// time limit that is due unwinds from here, before the wait; one that comes during it ends it.
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

/// The same, but never unwinds: returns at once, or soon, while something is due. For waits that must take back what they
/// have left with others before they unwind.
#[track_caller]
#[inline(always)]
pub(super) fn park_quietly(kind: WaitKind, deadline: Option<Instant>) {
    if let Some(Parking { header, _alarm }) = prepare_quietly(kind, Location::caller(), deadline) {
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
    let Some((header, now)) = running() else {
        deliver_due();
        park_thread(deadline);
        return None;
    };
    // SAFETY: the greenlet runs, so it is alive.
    deliver_due_to(unsafe { header.as_ref() });
    begin(header, now, kind, place, deadline)
}

#[inline(never)]
fn prepare_quietly(
    kind: WaitKind,
    place: &'static Location<'static>,
    deadline: Option<Instant>,
) -> Option<Parking> {
    let Some((header, now)) = running() else {
        park_thread(deadline);
        return None;
    };
    begin(header, now, kind, place, deadline)
}

/// The greenlet that is running here, and about what time it is.
#[inline(always)]
fn running() -> Option<(NonNull<Header>, Moment)> {
    context::with(|context| Some((context.greenlet()?, context.moment()))).flatten()
}

/// The running greenlet begins to wait.
#[inline(always)]
fn begin(
    header: NonNull<Header>,
    now: Moment,
    kind: WaitKind,
    place: &'static Location<'static>,
    deadline: Option<Instant>,
) -> Option<Parking> {
    // SAFETY: the greenlet runs, so it is alive.
    let this = unsafe { header.as_ref() };
    this.wait_info().set(kind, now, place);
    if this.state().take_token() {
        return None;
    }
    if std::thread::panicking() {
        // std counts panics by thread: nobody else may run here until this one has unwound.
        block_thread(this.state(), deadline);
        return None;
    }
    if this.interrupts().has_limits() {
        this.interrupts().set_alerts();
    }
    Some(Parking {
        header,
        _alarm: deadline.and_then(Alarm::set),
    })
}

/// Runs `f`, which blocks the OS thread, for a caller that cannot park: whoever looks at a greenlet meanwhile sees what it waits for,
/// and that it blocks its hub.
#[track_caller]
#[cold]
pub(crate) fn block_in_place<R>(kind: WaitKind, f: impl FnOnce() -> R) -> R {
    let Some((header, now)) = running() else {
        return f();
    };
    // SAFETY: the greenlet runs, so it is alive.
    let this = unsafe { header.as_ref() };
    this.wait_info().set(kind, now, Location::caller());
    this.state().enter_blocked();
    let result = f();
    this.state().leave_blocked();
    result
}

#[cold]
fn park_thread(deadline: Option<Instant>) {
    // A thread has no timer that would wake it when its time is up.
    let deadline = within_limits(deadline);
    let parked = context::with_parker(|parker| match deadline {
        None => parker.park(),
        Some(deadline) => parker.park_deadline(deadline),
    });
    if parked.is_none() {
        // The thread is being torn down, and its parker gone: nobody can wake it, so it looks again and again.
        std::thread::sleep(TORN_DOWN);
    }
}

/// The deadline, or the caller's first time limit if that is earlier: for waits that no timer ends.
pub(crate) fn within_limits(deadline: Option<Instant>) -> Option<Instant> {
    if std::thread::panicking() {
        // No limit would be delivered.
        return deadline;
    }
    let limit = context::with_interrupts(Interrupts::first_deadline).flatten();
    [deadline, limit].into_iter().flatten().min()
}

/// Between two looks of a thread that is being torn down.
const TORN_DOWN: Duration = Duration::from_millis(1);

/// The point in time `delay` from now; `None`, that is never, if there is no such point.
pub(crate) fn deadline_after(delay: Duration) -> Option<Instant> {
    Instant::now().checked_add(delay)
}

/// The deadline, if there is one, is not in the future.
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
