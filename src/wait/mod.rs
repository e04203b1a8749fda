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

mod alarm;
mod catch_kill;
mod checkpoint;
mod holders;
mod interrupt;
mod join;
mod outside;
mod park;
mod permit;
mod quiet_yield;
mod shield;
mod unparker;
mod wait_queue;
mod yielding;

pub use catch_kill::{Killed, catch_kill};
pub use checkpoint::checkpoint;
pub(crate) use checkpoint::yield_if_overdue;
pub(crate) use holders::{holders_are_noted, note_holders, tell_if_hopeless};
pub(crate) use interrupt::{deliver, deliver_due, with_time_limit};
pub use join::{JoinHandle, LocalJoinHandle};
pub(crate) use outside::Outside;
pub(crate) use park::{
    block_in_place, deadline_after, has_passed, in_greenlet, park, within_limits,
};
pub use permit::{park as park_for_permit, park_timeout};
pub(crate) use shield::Shield;
pub use shield::shield;
pub(crate) use unparker::{current_caller, current_unparker};
pub(crate) use wait_queue::{
    Enqueue, Given, Locked, Node, Outcome, Token, Wait, WaitQueue, Waited, wait_any,
};
pub(crate) use yielding::give_way;
pub use yielding::yield_now;
