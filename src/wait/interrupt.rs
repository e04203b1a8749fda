//! Kills and time limits, delivered where a wait would begin.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use super::alarm::LateAlarm;
use super::quiet_yield::give_way_quietly;
use crate::context;
use crate::greenlet::{
    Header, Interrupt, Interrupts, TimeLimit, deliver_by_unwinding, is_expiry_of,
};

/// What is to be delivered to the caller now.
pub(super) fn due() -> Option<Interrupt> {
    match context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        Some(header) => due_to(unsafe { header.as_ref() }),
        None => due_limit_of_thread(),
    }
}

/// The same for a greenlet that knows its header.
#[inline(always)]
pub(super) fn due_to(header: &Header) -> Option<Interrupt> {
    if header.state().kill_is_due() || header.interrupts().has_limits() {
        due_slow(header)
    } else {
        None
    }
}

#[cold]
fn due_slow(header: &Header) -> Option<Interrupt> {
    if std::thread::panicking() {
        None
    } else if header.state().kill_is_due() {
        Some(Interrupt::Kill)
    } else {
        expired(header.interrupts())
    }
}

#[cold]
fn due_limit_of_thread() -> Option<Interrupt> {
    if std::thread::panicking() {
        return None;
    }
    context::with_interrupts(|interrupts| {
        interrupts
            .has_limits()
            .then(|| expired(interrupts))
            .flatten()
    })
    .flatten()
}

fn expired(interrupts: &Interrupts) -> Option<Interrupt> {
    interrupts.expired(Instant::now()).map(Interrupt::Expired)
}

/// Unwinds the caller with what is due.
///
/// Whoever catches that, and comes here again with the same, gives way first: a loop around a wait that is broken off at once
/// would otherwise keep its hub to itself, for ever if what would end the loop is on that hub.
#[cold]
pub(crate) fn deliver(interrupt: Interrupt) -> ! {
    let again = context::with_interrupts(|interrupts| interrupts.note_delivery(interrupt));
    if again == Some(true) {
        give_way_quietly();
    }
    deliver_by_unwinding(interrupt)
}

/// Unwinds the caller if it has been killed, or its time is up, and nothing shields it.
#[inline]
pub(crate) fn deliver_due() {
    if let Some(interrupt) = due() {
        deliver(interrupt);
    }
}

/// The same for a greenlet that knows its header.
#[inline(always)]
pub(super) fn deliver_due_to(header: &Header) {
    if let Some(interrupt) = due_to(header) {
        deliver(interrupt);
    }
}

/// Runs `f`; a wait in it that lasts beyond `deadline`, or begins after it, unwinds to here, and gives `None`.
pub(crate) fn with_time_limit<T>(deadline: Instant, f: impl FnOnce() -> T) -> Option<T> {
    let alarm = LateAlarm::default();
    let limit = TimeLimit::new(deadline, &alarm);
    let force = Force::enter(&limit);
    let result = catch_unwind(AssertUnwindSafe(f));
    drop(force);
    match result {
        Ok(value) => Some(value),
        Err(payload) if is_expiry_of(&*payload, limit.id()) => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// A limit in force.
struct Force<'a>(&'a TimeLimit);

impl Force<'_> {
    fn enter(limit: &TimeLimit) -> Force<'_> {
        // SAFETY: the limit is borrowed until `leave`, in `drop`, and its alert lies below it; the caller keeps this on its
        // stack, so limits are left in the reverse order.
        context::with_interrupts(|interrupts| unsafe { interrupts.enter(limit) });
        Force(limit)
    }
}

impl Drop for Force<'_> {
    fn drop(&mut self) {
        context::with_interrupts(|interrupts| interrupts.leave(self.0));
    }
}
