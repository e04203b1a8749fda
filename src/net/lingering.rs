//! Sockets that linger (`SO_LINGER`): their closing waits until the peer has all that was sent, or for the time that was set,
//! in whatever mode they are.
//!
//! A hub must not wait for that, so a thread of [`offload`](crate::offload())'s does, and nobody waits for the thread. What the option
//! promises holds all the same: the bytes are sent. But the descriptor, and with it the port, is free only after.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::SockRef;

use crate::context;
use crate::offload;

/// Whether a descriptor is a socket that lingers. Without a time it is closed at once, by a reset.
pub(super) fn lingers(fd: BorrowedFd<'_>) -> bool {
    let linger = SockRef::from(&fd).linger();
    linger.is_ok_and(|linger| linger.is_some_and(|time| time > Duration::ZERO))
}

/// Closes a descriptor that may be a socket that lingers: on another thread if it is, and this one is a hub's.
pub(super) fn close(fd: OwnedFd) {
    if is_hub() && lingers(fd.as_fd()) {
        let fd = Lingering(fd);
        // It fails if there is no thread to be had. Then the descriptor has been closed here.
        let _ = offload::detach(move || drop(fd));
    }
}

/// One that does.
struct Lingering(OwnedFd);

impl Drop for Lingering {
    fn drop(&mut self) {
        if is_hub() {
            // No thread could be had. The bytes are sent after the closing then, as of any other socket.
            let _ = SockRef::from(&self.0).set_linger(None);
        }
    }
}

/// A duplicate of somebody else's socket that lingers, so that the closing of that is not the last; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Spare(Option<OwnedFd>);

impl Spare {
    /// For a descriptor that is a socket, if that lingers.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Spare {
        let spare = lingers(fd).then(|| fd.try_clone_to_owned());
        // Without a descriptor to spare it is closed as it would have been.
        Spare(spare.and_then(Result::ok))
    }

    /// For a descriptor whose owner sees to it.
    pub(super) fn none() -> Spare {
        Spare(None)
    }

    /// It is not needed: somebody has the socket, who closes it later.
    pub(super) fn dismiss(mut self) {
        // Not the last to be closed, so nothing is waited for.
        drop(self.0.take());
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            close(fd);
        }
    }
}

/// The thread is a hub's, and others wait for it.
fn is_hub() -> bool {
    context::with(|_| ()).is_some()
}
