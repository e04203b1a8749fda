//! The direct way to wait, where there is no epoll: no value of it exists, so its methods are never called.

use std::convert::Infallible;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use super::event::Event;

/// Never made.
#[derive(Debug)]
pub(super) struct Straight(Infallible);

impl Straight {
    /// Says that there is no such way.
    pub(super) fn new(_epoll: BorrowedFd<'_>) -> io::Result<Straight> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub(super) fn add(&self, _epoll: BorrowedFd<'_>, _fd: RawFd, _key: usize) -> io::Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub(super) fn wait(
        &self,
        _epoll: BorrowedFd<'_>,
        _buffer: &mut Buffer,
        _timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub(super) fn notify(&self) {
        match self.0 {}
    }
}

/// Always empty.
pub(super) struct Buffer;

impl Buffer {
    /// An empty one.
    pub(super) fn new() -> Buffer {
        Buffer
    }

    /// Nothing.
    pub(super) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        std::iter::empty()
    }
}
