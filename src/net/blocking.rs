//! The blocking mode that a descriptor had before it became a source.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::sys;

/// Puts a descriptor back into blocking mode when it is dropped, if that is where it came from.
#[derive(Debug)]
pub(super) struct Blocking(Option<RawFd>);

impl Blocking {
    /// Nothing is to come back.
    pub(super) fn none() -> Blocking {
        Blocking(None)
    }

    /// Ends the blocking mode of `owner`'s descriptor until this is dropped.
    ///
    /// # Safety
    ///
    /// This must be dropped before `owner` is, or mutably borrowed: the descriptor must be open then.
    pub(super) unsafe fn suspend(owner: &impl AsFd) -> io::Result<Blocking> {
        let fd = owner.as_fd();
        if sys::is_nonblocking(fd)? {
            return Ok(Blocking(None));
        }
        sys::set_nonblocking(fd, true)?;
        Ok(Blocking(Some(fd.as_raw_fd())))
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let Some(fd) = self.0 {
            // SAFETY: it is open, says `suspend`.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            // It fails for no open file. Others fail with that, too.
            let _ = sys::set_nonblocking(fd, false);
        }
    }
}
