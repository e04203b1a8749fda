//! The library's protocols between sockets, timers and the hub that waits for them.
#![allow(dead_code, reason = "the models use a part of each file")]

use std::time::Instant;

#[path = "../../../src/driver/heap.rs"]
mod heap;
#[path = "../../../src/driver/readiness.rs"]
pub(crate) mod readiness;
#[path = "../../../src/driver/timers.rs"]
mod timers;

pub(crate) use readiness::Seen;
pub(crate) use timers::Timers;

/// `Driver::arm_remote`, with what notifies the hub.
pub(crate) fn arm_remote<F>(timers: &Timers<F>, at: Instant, fire: F, notify: impl FnOnce()) {
    let (_, first) = timers.arm_and_tell(at, fire);
    if first {
        notify();
    }
}
