//! For platforms that tell nothing of a thread.

use std::time::Duration;

use super::super::frame::Frame;
use super::activity::Activity;
use super::probe::SliceProbe;
use crate::fiber::Fiber;

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
