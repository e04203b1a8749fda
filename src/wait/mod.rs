//! What every call that waits is built from. Works in greenlets and on plain OS threads alike.
//!
//! A wait is a loop, always of this shape, so that a wake-up may be spurious and a completed wait is never lost to a
//! kill:
//!
//! ```text
//!   leave current_unparker() with whoever will wake us
//!   loop {
//!       if the condition holds { return it }      // completed waits win
//!       park(kind, deadline);                     // may unwind, for a kill: what we left is taken back by a guard
//!   }
//! ```

mod checkpoint;
mod join;
mod park;
mod permit;
mod shield;
mod yielding;

pub use checkpoint::checkpoint;
pub use join::{JoinHandle, LocalJoinHandle};
pub(crate) use park::{
    current_unparker, deadline_after, deliver_kill, has_passed, in_greenlet, park,
};
pub use permit::{park as park_for_permit, park_timeout};
pub(crate) use shield::Shield;
pub use yielding::yield_now;
