//! Letting others go first, for those who may not unwind where they do it: nothing is delivered.

use crate::context;
use crate::fiber::Suspend;
use crate::greenlet::Header;

/// Lets the other ready greenlets of this hub run before the caller goes on. On a plain OS thread, and while the caller is
/// unwinding, this does nothing.
#[inline(always)]
pub(crate) fn give_way_quietly() {
    if let Some(header) = context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        yield_quietly(unsafe { header.as_ref() });
    }
}

/// The same for a greenlet that knows its header.
#[inline(always)]
pub(super) fn yield_quietly(header: &Header) {
    if !std::thread::panicking() {
        // SAFETY: the caller's own header, and it runs.
        unsafe { header.suspender() }.suspend(Suspend::Yield);
    }
}
