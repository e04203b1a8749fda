//! A connection.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use socket2::Domain;

use super::address::to_system;
use crate::greenlet::WaitKind;
use crate::net::modes::Patience;
use crate::net::nature::Nature;
use crate::net::pause::retry;
use crate::net::socket::Socket;
use crate::net::sys;
use crate::net::traits::{descriptor_traits, socket_methods, stream_traits, timeout_methods};

/// A connection within the machine: [`std::os::unix::net::UnixStream`] for greenlets.
///
/// Reads and writes go through [`Read`](std::io::Read) and [`Write`](std::io::Write), which a shared reference implements too:
/// one greenlet may read while another writes.
///
/// ```no_run
/// use std::io::{Read, Write};
/// use greenhub::net::unix::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let mut stream = UnixStream::connect("/run/greetings")?;
///     let mut text = String::new();
///     stream.read_to_string(&mut text)?;
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixStream {
    socket: Socket<net::UnixStream>,
}

descriptor_traits!(UnixStream, std::os::unix::net::UnixStream);
socket_methods!(UnixStream);
timeout_methods!(UnixStream);
stream_traits!(UnixStream);

impl UnixStream {
    /// Connects to a listener's path.
    ///
    /// A listener that has as many connections to accept as it wants makes this wait, as it does std's. No system tells when
    /// there is room again: it is tried again and again, after pauses that grow from 50 µs to 20 ms.
    ///
    /// # Errors
    ///
    /// The system's, such as `NotFound` or `ConnectionRefused`; `InvalidInput` for a path that is too long.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to a listener's address, as [`connect`](UnixStream::connect) does to a path.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused`.
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let address = to_system(address)?;
        let socket = sys::stream_socket(Domain::UNIX, None)?;
        // It succeeds or fails at once; `WouldBlock` is a full backlog, and leaves the socket as it was.
        retry(WaitKind::Connect, Patience::Endless, || {
            socket.connect(&address)
        })?;
        let socket = Socket::new(OwnedFd::from(socket).into(), Nature::Other);
        Ok(UnixStream::from_socket(socket))
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (near, far) = net::UnixStream::pair()?;
        Ok((near.try_into()?, far.try_into()?))
    }

    /// This side's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// Closes one direction, or both, on every clone. Greenlets that wait for it wake: reads find the end of the stream,
    /// writes fail.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    pub(super) fn from_socket(socket: Socket<net::UnixStream>) -> UnixStream {
        UnixStream { socket }
    }
}
