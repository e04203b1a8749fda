//! What a hub's thread is doing, and the stack that it does it on. This platform offers neither.

use super::frame::Frame;
use crate::primitive::atomic::AtomicU64;

use std::time::Duration;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It runs, or would if it were given a processor.
    Running,
    /// It is in a system call.
    InSyscall {
        /// Which.
        number: i64,
        /// Its stack pointer.
        sp: u64,
        /// The instruction after the call.
        pc: u64,
    },
    /// It waits, but not in a system call.
    Waiting {
        /// Its stack pointer.
        sp: u64,
        /// The instruction that it waits at.
        pc: u64,
    },
    /// Nobody knows.
    Unknown,
}

/// Which slice is meant, in words that a signal handler can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceProbe<'a> {
    /// A word that the hub's own thread changes before and after each slice.
    pub(crate) word: &'a AtomicU64,
    /// What it says in the slice that is meant.
    pub(crate) expected: u64,
}

/// A hub's thread.
#[derive(Debug)]
pub(crate) struct Target;

impl Target {
    /// Made on the thread itself.
    pub(crate) fn of_this_thread() -> Target {
        Target
    }

    /// How much processor time the thread has had.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// What the thread is doing.
    pub(crate) fn activity(&self) -> Activity {
        Activity::Unknown
    }

    /// A copy of its stack, if it is in that slice.
    pub(crate) fn capture(&self, _slice: &SliceProbe<'_>) -> Option<Snapshot> {
        None
    }
}

/// A copy of a stack.
#[derive(Debug)]
pub(crate) struct Snapshot {}

/// The places that a copy shows, the innermost first.
pub(crate) fn resolve(_snapshot: &Snapshot) -> Vec<Frame> {
    Vec::new()
}
