//! What a spawner says of a new greenlet.

use std::panic::Location;

use super::id::GreenletId;
use crate::fiber::StackSize;

/// What a new greenlet is to be.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// Its number.
    pub(crate) id: GreenletId,
    /// Its name, if it is to have one.
    pub(crate) name: Option<Box<str>>,
    /// The caller's place in the source.
    pub(crate) spawned_at: &'static Location<'static>,
    /// How large a stack it gets.
    pub(crate) stack_size: StackSize,
    /// Any hub may run it whenever it is ready.
    pub(crate) migrating: bool,
    /// Its closure must not leave the hub.
    pub(crate) pinned: bool,
}
