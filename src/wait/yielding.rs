//! Letting others go first.

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::interrupt::{deliver_due, deliver_due_to};
use super::quiet_yield::yield_quietly;
use crate::context::{self, Context};
use crate::greenlet::{Header, Moment};

/// A hub that has not looked at its timers and sockets for so long should do it next: it does not know how long the slices
/// are, and may have many to go.
const LATE: Duration = Duration::from_micros(500);

/// Lets the other ready greenlets of this hub run before the caller goes on. On a plain OS thread this is
/// [`std::thread::yield_now`]; while the caller is unwinding it does nothing.
///
/// ```
/// greenhub::run(|| {
///     let other = greenhub::spawn(|| 1);
///     while !other.is_finished() {
///         greenhub::yield_now();
///     }
/// });
/// ```
// Always inlined: a switch from within a function of its own would upset the processor's prediction of returns, twice.
#[inline(always)]
pub fn yield_now() {
    let greenlet = context::with(|context| {
        if context.is_awaited() {
            look_at_clock(context);
        }
        context.greenlet()
    });
    yield_as(greenlet.flatten());
}

/// The same as part of another call: the clock is not looked at.
#[inline(always)]
pub(crate) fn give_way() {
    yield_as(context::greenlet());
}

#[inline(never)]
fn look_at_clock(context: &Context) {
    if context.moment().until(Moment::of(Instant::now())) >= LATE {
        context.set_overdue();
    }
}

#[inline(always)]
fn yield_as(greenlet: Option<NonNull<Header>>) {
    let Some(header) = greenlet else {
        deliver_due();
        return std::thread::yield_now();
    };
    // SAFETY: the greenlet runs, so it is alive.
    let header = unsafe { header.as_ref() };
    deliver_due_to(header);
    yield_quietly(header);
}
