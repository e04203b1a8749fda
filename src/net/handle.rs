//! A handle to a socket: std's, and what it shares with its clones.

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::lingering;
use super::modes::Modes;
use crate::primitive::sync::Arc;

/// std's socket, which is closed without blocking a hub.
pub(super) struct Handle<S: Into<OwnedFd>> {
    /// `None` once it is given away.
    std: Option<S>,
    modes: Arc<Modes>,
}

impl<S: Into<OwnedFd>> Handle<S> {
    /// A handle that shares `modes` with its clones.
    pub(super) fn new(std: S, modes: Arc<Modes>) -> Handle<S> {
        Handle {
            std: Some(std),
            modes,
        }
    }

    /// What it shares.
    pub(super) fn modes(&self) -> &Arc<Modes> {
        &self.modes
    }

    /// std's socket, given away.
    pub(super) fn into_std(mut self) -> S {
        self.std.take().expect(THERE)
    }
}

/// Why there is one.
const THERE: &str = "only what ends a handle takes its socket";

impl<S: Into<OwnedFd>> Deref for Handle<S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.std.as_ref().expect(THERE)
    }
}

impl<S: Into<OwnedFd> + AsFd> AsFd for Handle<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl<S: Into<OwnedFd>> Drop for Handle<S> {
    fn drop(&mut self) {
        if let Some(std) = self.std.take() {
            // Nothing here makes it linger, so the system is asked about those that others had.
            if self.modes.is_lent() {
                lingering::close(std.into());
            }
        }
    }
}

impl<S: Into<OwnedFd> + fmt::Debug> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
