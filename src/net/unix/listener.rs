//! The side that waits for connections.

use std::io;
use std::iter::FusedIterator;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use super::address::from_system;
use super::stream::UnixStream;
use crate::net::accept::Acceptor;
use crate::net::socket::Socket;
use crate::net::traits::{descriptor_traits, socket_methods};

/// A Unix socket that accepts connections: [`std::os::unix::net::UnixListener`] for greenlets.
///
/// Any number of greenlets may accept from one listener. Its path stays in the file system when it is dropped, as std's does.
///
/// ```no_run
/// use std::io::Write;
/// use greenhub::net::unix::UnixListener;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let listener = UnixListener::bind("/run/greetings")?;
///     for stream in &listener {
///         let mut stream = stream?;
///         greenhub::spawn(move || stream.write_all(b"hello"));
///     }
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixListener {
    socket: Socket<net::UnixListener>,
    acceptor: Acceptor,
}

descriptor_traits!(UnixListener, std::os::unix::net::UnixListener);
socket_methods!(UnixListener);

/// An iterator over a listener's connections, as [`std::os::unix::net::Incoming`]. It never ends.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl UnixListener {
    /// Listens on a path, which must not exist yet.
    ///
    /// # Errors
    ///
    /// The system's, such as `AddrInUse`; `InvalidInput` for a path that is too long.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        net::UnixListener::bind(path)?.try_into()
    }

    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// The system's, such as `AddrInUse`.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        net::UnixListener::bind_addr(address)?.try_into()
    }

    /// Waits for a connection, and gives it with its peer's address. When the process has run out of descriptors, it does as
    /// [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, peer) = self.acceptor.accept(&self.socket)?;
        let stream = UnixStream::from_socket(self.socket.accepted(socket));
        Ok((stream, from_system(&peer)?))
    }

    /// The connections to come, each as [`accept`](UnixListener::accept) gives it.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    fn from_socket(socket: Socket<net::UnixListener>) -> UnixListener {
        UnixListener {
            socket,
            acceptor: Acceptor::default(),
        }
    }
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}
