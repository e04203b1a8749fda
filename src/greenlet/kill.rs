//! How a kill, and a time limit that has passed, travel up a stack: as an unwinding with a payload of its own.

use std::any::Any;
use std::panic::resume_unwind;

use super::interrupts::{Interrupt, LimitId};

/// What a killed greenlet unwinds with. Private, so that nobody can mistake it for a panic of theirs or make one.
struct KillPayload;

/// What a call whose time is up unwinds with, as far as the call that set the limit.
struct ExpiryPayload(LimitId);

/// Starts the unwinding. Silent: no panic hook runs.
///
/// # Panics
///
/// Where the program is compiled without unwinding: the message says so, and the process aborts.
pub(crate) fn deliver(interrupt: Interrupt) -> ! {
    if cfg!(not(panic = "unwind")) {
        panic!(
            "greenhub ends a greenlet, or a call whose time is up, by unwinding, and this program is compiled with \
             panic = \"abort\": kill, timeout and the shutdown of a runtime with waiting greenlets need \
             panic = \"unwind\" in the profile"
        );
    }
    match interrupt {
        Interrupt::Kill => resume_unwind(Box::new(KillPayload)),
        Interrupt::Expired(limit) => resume_unwind(Box::new(ExpiryPayload(limit))),
    }
}

/// The payload of a caught unwinding is a kill's.
pub(crate) fn is_kill(payload: &(dyn Any + Send)) -> bool {
    payload.is::<KillPayload>()
}

/// The payload of a caught unwinding is that of this limit.
pub(crate) fn is_expiry_of(payload: &(dyn Any + Send), limit: LimitId) -> bool {
    payload
        .downcast_ref::<ExpiryPayload>()
        .is_some_and(|expiry| expiry.0 == limit)
}

/// The text of a panic, where it has one.
pub(super) fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
