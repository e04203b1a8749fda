//! What a server can accept from, and what the errors of an accept mean to it.

use std::io;
use std::net::SocketAddr;

use crate::net::tcp::{TcpListener, TcpStream};
use crate::net::unix::{self, UnixListener, UnixStream};

/// Something that connections come from. Implement it for a listener of your own, such as one that wraps another's streams.
pub trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Send + 'static;
    /// Where it comes from.
    type Address: Send + 'static;

    /// Waits for the next connection. The wait must park its greenlet, as all of this crate's do: a stop ends it by a kill.
    ///
    /// # Errors
    ///
    /// Those of `accept(2)`. A server goes on after those that concern one connection only, and after a while when descriptors or
    /// memory have run out. All others end it.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Address)>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        TcpListener::accept(self)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = unix::SocketAddr;

    fn accept(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        UnixListener::accept(self)
    }
}

/// What the error of an accept means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// One connection was lost before it was accepted. There may be others.
    Lost,
    /// The descriptors of the process or of the system have run out, or the memory. The connection still waits, so that
    /// another attempt at once would fail as this one did.
    Starved,
    /// The listener is of no use any more.
    Broken,
}

impl Trouble {
    pub(super) fn of(error: &io::Error) -> Trouble {
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Trouble::Starved,
            // accept(2): errors that are pending on the new socket are passed on; "treat them like EAGAIN".
            Some(
                libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::ETIMEDOUT
                // A firewall forbids it.
                | libc::EPERM
                | libc::EINTR
                | libc::EAGAIN,
            ) => Trouble::Lost,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Some(libc::ENONET) => Trouble::Lost,
            Some(_) => Trouble::Broken,
            None => Trouble::of_kind(error.kind()),
        }
    }

    /// Of an error that the system has not made.
    fn of_kind(kind: io::ErrorKind) -> Trouble {
        match kind {
            io::ErrorKind::OutOfMemory => Trouble::Starved,
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::WouldBlock => Trouble::Lost,
            _ => Trouble::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let of = |code| Trouble::of(&io::Error::from_raw_os_error(code));
        assert_eq!(of(libc::ECONNABORTED), Trouble::Lost);
        assert_eq!(of(libc::EMFILE), Trouble::Starved);
        assert_eq!(of(libc::ENFILE), Trouble::Starved);
        assert_eq!(of(libc::ENOBUFS), Trouble::Starved);
        assert_eq!(of(libc::ENOMEM), Trouble::Starved);
        assert_eq!(of(libc::EBADF), Trouble::Broken);
        assert_eq!(of(libc::EINVAL), Trouble::Broken);
    }

    #[test]
    fn what_a_listener_of_the_users_says_is_understood_too() {
        let of = |kind| Trouble::of(&io::Error::new(kind, "a handshake"));
        assert_eq!(of(io::ErrorKind::InvalidData), Trouble::Lost);
        assert_eq!(of(io::ErrorKind::Unsupported), Trouble::Broken);
    }
}
