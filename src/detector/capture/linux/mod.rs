//! Copies of stacks, and what they show.
//!
//! A [`Target`] is one thread. `Target::capture` finds out whether the thread computes or waits in a system call. One that
//! computes gets a signal from a timer, and its handler copies registers and the innermost 64 KiB of the stack into a buffer that lives
//! for ever (a `Slot`); the `Mailbox` in it is the protocol between the two, and is modelled by loom. One that waits is left
//! alone: `/proc` tells where its stack is, and the system copies it.
//!
//! What comes of it is a [`Snapshot`], and [`resolve`] makes frames of that, on any thread at any time. Whatever fails, the
//! answer is that there is no stack.
//!
//! | file | holds |
//! | --- | --- |
//! | `target` | a thread to watch, and how its stack is captured |
//! | `activity` | what the system tells of a thread |
//! | `signal` | the handler, and who had the signal before |
//! | `slot` | what a handler and its asker share |
//! | `mailbox` | the protocol between them |
//! | `registers` | a processor's registers in a signal handler |
//! | `suspended` | the stack of a greenlet that is not running |
//! | `snapshot` | what was copied |
//! | `stacks` | from a copy to frames (`no_stacks` without that feature) |
//! | `unwind` | from a copy to addresses |
//! | `symbols` | from addresses to frames |

mod activity;
mod mailbox;
mod registers;
mod signal;
mod slot;
#[cfg_attr(
    not(feature = "stacks"),
    allow(dead_code, reason = "copies that nobody reads are not made")
)]
mod snapshot;
#[cfg(feature = "stacks")]
mod stacks;
#[cfg(not(feature = "stacks"))]
#[path = "no_stacks.rs"]
mod stacks;
#[cfg(all(test, feature = "stacks"))]
mod stacks_tests;
mod suspended;
#[cfg(feature = "stacks")]
mod symbols;
mod target;
#[cfg(feature = "stacks")]
mod unwind;

pub(crate) use snapshot::Snapshot;
pub(crate) use stacks::resolve;
pub(crate) use suspended::suspended;
pub(crate) use target::Target;
