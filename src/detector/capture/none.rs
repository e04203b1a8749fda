//! For platforms that tell nothing of a thread.

use std::time::Duration;

use super::super::frame::Frame;
use crate::fiber::Fiber;
use crate::primitive::atomic::AtomicU64;

/// What a thread does. As nobody knows, only the last is ever seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "what other platforms tell")]
pub(crate) enum Activity {
    /// It runs.
    Running,
    /// It waits in a system call.
    InSyscall {
        /// Which.
        number: i64,
        /// Its stack pointer.
        sp: u64,
        /// Its next instruction.
        pc: u64,
    },
    /// It waits, but not in a system call.
    Waiting {
        /// Its stack pointer.
        sp: u64,
        /// Its next instruction.
        pc: u64,
    },
    /// Nobody knows.
    Unknown,
}

/// Which slice is meant.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "what other platforms look at")]
pub(crate) struct SliceProbe<'a> {
    /// A word that the hub's own thread changes before and after each slice.
    pub(crate) word: &'a AtomicU64,
    /// What it says in the slice that is meant.
    pub(crate) expected: u64,
}

/// A thread to watch.
#[derive(Debug)]
pub(crate) struct Target;

impl Target {
    /// The calling thread.
    pub(crate) fn of_this_thread() -> Target {
        Target
    }

    /// What the thread does: nobody knows.
    pub(crate) fn activity(&self) -> Activity {
        Activity::Unknown
    }

    /// The processor time that the thread has used: nobody knows.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// A copy of its stack: there is none.
    pub(crate) fn capture(&self, _probe: &SliceProbe<'_>) -> Option<Snapshot> {
        None
    }
}

/// A copy of a stack. There is none.
#[derive(Clone, Debug)]
pub(crate) enum Snapshot {}

/// The places that a copy shows.
pub(crate) fn resolve(snapshot: &Snapshot) -> Vec<Frame> {
    match *snapshot {}
}

/// A copy of a suspended greenlet's stack: there is none.
pub(crate) fn suspended(_fiber: *const Option<Fiber>) -> Option<Snapshot> {
    None
}
