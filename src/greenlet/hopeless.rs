//! A wait that nothing can end.

use std::fmt;
use std::num::NonZeroUsize;
use std::panic::Location;

use super::wait_info::WaitKind;

/// A greenlet unwinds and waits, blocking its hub's thread, for what a greenlet has that can run on that hub alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hopeless {
    /// What it waits for,
    pub(crate) kind: WaitKind,
    /// and where.
    pub(crate) place: &'static Location<'static>,
    /// Who has it: the number of a greenlet, or of a thread,
    pub(crate) holder: NonZeroUsize,
    /// and where it was taken.
    pub(crate) since: &'static Location<'static>,
}

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it unwinds, and waits at {} for a {} that greenlet #{} of the same hub has had since {}: this never ends",
            self.place, self.kind, self.holder, self.since
        )
    }
}
