//! The side that waits for connections.

use std::io;
use std::iter::FusedIterator;
use std::net::SocketAddr;

use socket2::SockRef;

use super::stream::TcpStream;
use crate::net::accept::Acceptor;
use crate::net::address::{ToSocketAddrs, first_of};
use crate::net::socket::Socket;
use crate::net::sys;
use crate::net::traits::{descriptor_traits, socket_methods};

/// A TCP socket that accepts connections: [`std::net::TcpListener`] for greenlets.
///
/// Any number of greenlets may accept from one listener.
///
/// ```no_run
/// use std::io::{self, Read, Write};
/// use greenhub::net::TcpListener;
///
/// # fn main() -> io::Result<()> {
/// greenhub::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:7000")?;
///     for stream in listener.incoming() {
///         let mut stream = stream?;
///         greenhub::spawn(move || -> io::Result<()> {
///             let mut buffer = [0; 4096];
///             loop {
///                 let n = stream.read(&mut buffer)?;
///                 if n == 0 {
///                     return Ok(());
///                 }
///                 stream.write_all(&buffer[..n])?;
///             }
///         });
///     }
///     Ok(())
/// })
/// # }
/// ```
pub struct TcpListener {
    socket: Socket<std::net::TcpListener>,
    acceptor: Acceptor,
}

descriptor_traits!(TcpListener, std::net::TcpListener);
socket_methods!(TcpListener);

/// An iterator over a listener's connections, as [`std::net::Incoming`]. It never ends.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl TcpListener {
    /// Listens on an address, the first that can be had; see [`std::net::TcpListener::bind`]. Port 0 asks for any free
    /// port. A server that wants more than std's choices has [`ListenOptions`](crate::net::ListenOptions).
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        first_of(address, std::net::TcpListener::bind)?.try_into()
    }

    /// Waits for a connection, and gives it with its peer's address; see [`std::net::TcpListener::accept`].
    ///
    /// When the process has run out of descriptors, or the system of memory, this fails at once the first time. After that
    /// it waits a hundredth of a second before it tries again, so that a loop which ignores the error does not spin.
    ///
    /// # Errors
    ///
    /// The system's. Some concern the one connection only, such as `ConnectionAborted`.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.acceptor.accept(&self.socket)?;
        let stream = TcpStream::from_socket(self.socket.accepted(socket));
        Ok((stream, sys::internet(&peer)?))
    }

    /// The connections to come, each as [`accept`](TcpListener::accept) gives it.
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

    /// Sets the time to live of the packets sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.get().set_ttl(ttl)
    }

    /// The time to live of the packets sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.get().ttl()
    }

    /// Sets whether a listener on a version 6 address takes version 6 connections only.
    ///
    /// # Errors
    ///
    /// The system's: an address that is bound does not change in this.
    #[deprecated = "it fails once the address is bound, as std's does: use `ListenOptions::only_v6`"]
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        SockRef::from(self.socket.get()).set_only_v6(only_v6)
    }

    /// Whether a listener on a version 6 address takes version 6 connections only.
    ///
    /// # Errors
    ///
    /// The system's.
    #[deprecated = "std's is, too: `ListenOptions::only_v6` decides it"]
    pub fn only_v6(&self) -> io::Result<bool> {
        SockRef::from(self.socket.get()).only_v6()
    }

    fn from_socket(socket: Socket<std::net::TcpListener>) -> TcpListener {
        TcpListener {
            socket,
            acceptor: Acceptor::default(),
        }
    }
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
