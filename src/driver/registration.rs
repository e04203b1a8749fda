//! A socket's side of a driver.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::reactor::{Driver, LaneId, Socket};
use super::readiness::Readiness;
use crate::greenlet::Unparker;
use crate::primitive::sync::Arc;

/// Which of a socket's two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Reads and accepts.
    Read,
    /// Writes and connects.
    Write,
}

/// A socket that is registered with a hub's poller, until this is dropped. Dropping it wakes whoever waits.
pub(crate) struct Registration {
    driver: Arc<Driver>,
    socket: Arc<Socket>,
    key: usize,
    fd: RawFd,
}

impl Registration {
    /// Registers `fd`, which must not be registered with the same driver already.
    ///
    /// # Safety
    ///
    /// `fd` must stay open, as the same socket, until this registration is dropped.
    pub(crate) unsafe fn new(driver: &Arc<Driver>, fd: BorrowedFd<'_>) -> io::Result<Registration> {
        let fd = fd.as_raw_fd();
        // SAFETY: it stays open until `drop` deregisters it.
        let (key, socket) = unsafe { driver.register(fd)? };
        Ok(Registration {
            driver: Arc::clone(driver),
            socket,
            key,
            fd,
        })
    }

    /// What is known of one direction.
    #[inline]
    pub(crate) fn readiness(&self, direction: Direction) -> &Readiness<Unparker> {
        match direction {
            Direction::Read => &self.socket.read,
            Direction::Write => &self.socket.write,
        }
    }

    /// Whose hubs hear of its events.
    pub(crate) fn lane(&self) -> LaneId {
        self.driver.lane()
    }

    /// Somebody waits, for whichever direction.
    pub(crate) fn is_awaited(&self) -> bool {
        self.socket.read.is_awaited() || self.socket.write.is_awaited()
    }

    /// From now on no event counts. Who has waited is to be woken when no lock is held.
    pub(crate) fn close(&self) -> Vec<Unparker> {
        let mut woken = Vec::new();
        self.socket.close(&mut woken);
        woken
    }

    /// Ends it before it is dropped.
    pub(crate) fn end(&self) {
        // SAFETY: open for as long as this registration lives, says `new`.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        self.driver.deregister(fd, self.key);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
