//! Letting others go first.

use super::interrupt::deliver_due_to;
use crate::context;
use crate::fiber::Suspend;

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
    let Some(header) = context::greenlet() else {
        return std::thread::yield_now();
    };
    // SAFETY: the greenlet runs, so it is alive.
    let header = unsafe { header.as_ref() };
    deliver_due_to(header);
    if !std::thread::panicking() {
        // SAFETY: the caller's own header, and it runs.
        unsafe { header.suspender() }.suspend(Suspend::Yield);
    }
}
