//! How a kill travels up a greenlet's stack: as an unwinding with a payload of its own.

use std::any::Any;
use std::panic::resume_unwind;

/// What a killed greenlet unwinds with. Private, so that nobody can mistake it for a panic of theirs or make one.
struct Killed;

/// Starts the unwinding. Silent: no panic hook runs.
pub(crate) fn deliver() -> ! {
    resume_unwind(Box::new(Killed))
}

/// The payload of a caught unwinding is a kill's.
pub(crate) fn is_kill(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Killed>()
}

/// The text of a panic, where it has one.
pub(super) fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
