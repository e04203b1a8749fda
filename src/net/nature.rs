//! What kind of socket a descriptor is, as far as calls depend on it.

use std::os::fd::BorrowedFd;

use super::sys;

/// What a transfer proves that is shorter than what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// TCP. A short read has emptied the socket, a short write has filled it: another would wait, and there will be an event
    /// when it would not. (What ends a read early, urgent data and the end of the stream, comes with an event of its own.)
    Tcp,
    /// Anything else, of which a short transfer proves nothing. A Unix socket's read ends where descriptors were passed or
    /// the sender's credentials change, a SEQPACKET's with each packet; and there is more behind it, of which no other event
    /// tells.
    Other,
}

impl Nature {
    /// Asks the system about a descriptor of whatever kind.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Nature {
        if sys::is_tcp(fd) {
            Nature::Tcp
        } else {
            Nature::Other
        }
    }
}
