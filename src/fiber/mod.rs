//! Stacks, and the switch between them: the only place in the crate that leaves one stack for another.
//!
//! A [`StackPool`] maps stacks in slabs, a [`StackCache`] keeps some of them at hand for one hub, and a [`Fiber`]
//! runs a function on one until it suspends or ends. [`overflow`] tells whose stack it was when one runs over.
//! The scheduler is the only user. Nothing here knows what a greenlet is, beyond its name in a message.
//!
//! No model of loom's reaches this folder: what it does is stack switches, system calls and signal handlers, and
//! the only thing that threads share in it is a mutex around a table.
//!
//! | file | holds |
//! | --- | --- |
//! | `stack` | a checked size, the layout of one stack, the handle that owns it |
//! | `guard` | the page under a stack that faults, and the map limit one kind of guard runs into |
//! | `slab` | one mapping, cut into equal stacks |
//! | `class` | all slabs of one size; which stack to hand out, what to give back to the system |
//! | `pool` | a runtime's stacks of every size |
//! | `cache` | a hub's own warm stacks |
//! | `coroutine` | the switch: `Fiber`, `Suspender`, and the crate's one `unsafe impl Send` for a suspended stack |
//! | `saved` | where a suspended fiber goes on, found from outside |
//! | `alt_stack` | the stack that signal handlers run on |
//! | `overflow` | the handler that names the greenlet whose stack was too small |

mod alt_stack;
mod cache;
#[cfg(test)]
mod child;
mod class;
mod coroutine;
mod guard;
pub(crate) mod overflow;
mod pool;
mod saved;
mod slab;
mod stack;

pub(crate) use cache::StackCache;
pub(crate) use coroutine::{Fiber, Suspend, Suspender};
pub(crate) use guard::Guards;
pub(crate) use pool::StackPool;
pub(crate) use saved::{FIBER_WORDS, Saved};
pub(crate) use stack::{Stack, StackBounds, StackSize};
