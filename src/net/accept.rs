//! Accepting connections without spinning when there is nothing to accept them with.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::SockAddr;

use super::pause::pause;
use super::socket::{Socket, StdSocket};
use super::source::Purpose;
use super::sys;
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering};

/// How long an accept waits that follows one which ran out of descriptors or memory.
const STARVED: Duration = Duration::from_millis(10);

/// Accepts from one listener.
#[derive(Default)]
pub(super) struct Acceptor {
    /// The last accept failed for want of descriptors or memory. A hint: it orders nothing.
    starved: AtomicBool,
}

impl Acceptor {
    /// Waits for a connection on `listener`. An accept after one that was starved waits for somebody to close something
    /// first, so that a loop which ignores the error does not spin.
    #[track_caller]
    pub(super) fn accept<S: StdSocket>(
        &self,
        listener: &Socket<S>,
    ) -> io::Result<(OwnedFd, SockAddr)> {
        // Relaxed, here and below: see the field.
        if !listener.modes().nonblocking() && self.starved.load(Ordering::Relaxed) {
            pause(WaitKind::Accept, STARVED);
        }
        let accepted = listener.read_with(Purpose::ACCEPT, sys::accept);
        let starved = accepted.as_ref().is_err_and(is_starvation);
        if self.starved.load(Ordering::Relaxed) != starved {
            self.starved.store(starved, Ordering::Relaxed);
        }
        accepted
    }
}

/// The descriptors of the process or the system have run out, or the memory.
fn is_starvation(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}
