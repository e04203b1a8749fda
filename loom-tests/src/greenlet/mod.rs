//! The library's protocols of one greenlet's life.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/greenlet/join_cell.rs"]
pub(crate) mod join_cell;
#[path = "../../../src/greenlet/state.rs"]
pub(crate) mod state;

use crate::wait::Me;

/// A double: what wakes one of the model's threads.
#[derive(Clone, Debug)]
pub(crate) struct Unparker(pub(crate) Me);

impl Unparker {
    pub(crate) fn unpark(&self) {
        self.0.ring();
    }
}

/// A double: what breaks off a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Kill,
}

/// A double: what is waited for does not matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitKind {
    Barrier,
    Condvar,
    Join,
    Lock,
    Offload,
    Receive,
    Select,
    Semaphore,
    Send,
}
