//! Datagrams.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use super::address::{from_system, to_system, unnamed};
use crate::greenlet::WaitKind;
use crate::net::pause::retry;
use crate::net::socket::Socket;
use crate::net::sys;
use crate::net::traits::{descriptor_traits, socket_methods, timeout_methods};

/// A Unix datagram socket: [`std::os::unix::net::UnixDatagram`] for greenlets.
///
/// Datagrams arrive whole, in order, and none is lost: a sender waits for a receiver that is slow. Nor does a kill or a
/// timeout lose one: what has been received is returned.
///
/// ```
/// use greenhub::net::unix::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let (near, far) = UnixDatagram::pair()?;
///     greenhub::spawn(move || far.send(b"hello"));
///     let mut buffer = [0; 64];
///     let length = near.recv(&mut buffer)?;
///     assert_eq!(&buffer[..length], b"hello");
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixDatagram {
    socket: Socket<net::UnixDatagram>,
}

descriptor_traits!(UnixDatagram, std::os::unix::net::UnixDatagram);
socket_methods!(UnixDatagram);
timeout_methods!(UnixDatagram);

impl UnixDatagram {
    /// A socket with this path, which must not exist yet.
    ///
    /// # Errors
    ///
    /// The system's, such as `AddrInUse`; `InvalidInput` for a path that is too long.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path)?.try_into()
    }

    /// A socket with this address.
    ///
    /// # Errors
    ///
    /// The system's, such as `AddrInUse`.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind_addr(address)?.try_into()
    }

    /// A socket without an address: it can send.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound()?.try_into()
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (near, far) = net::UnixDatagram::pair()?;
        Ok((near.try_into()?, far.try_into()?))
    }

    /// Sets the peer for [`send`](UnixDatagram::send) and [`recv`](UnixDatagram::recv).
    ///
    /// # Errors
    ///
    /// The system's, such as `NotFound` or `ConnectionRefused`.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.socket.get().connect(path)
    }

    /// Sets the peer, as [`connect`](UnixDatagram::connect) does.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused`.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.socket.get().connect_addr(address)
    }

    /// This socket's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// The address of the peer that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected`, and the system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// Waits for a datagram, and gives its length and where it came from. What does not fit in the buffer is lost, as with
    /// std.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self.socket.receive_datagram(
            |fd| sys::receive_from(fd, buffer, false).map(|(length, from)| (length, Some(from))),
            || (0, None),
        )?;
        let address = address.map_or_else(unnamed, |address| from_system(&address))?;
        Ok((length, address))
    }

    /// Waits for a datagram, and gives its length. What does not fit in the buffer is lost, as with std.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket
            .receive_datagram(|fd| sys::receive(fd, buffer), || 0)
    }

    /// Sends a datagram to a socket with this path.
    ///
    /// It waits while the receiver has as many to read as it wants, as std's does. No system tells a sender who is not connected
    /// when there is room again: it is tried again and again, after pauses that grow from 50 µs to 20 ms. One who is
    /// [connected](UnixDatagram::connect) and [sends](UnixDatagram::send) is told.
    ///
    /// # Errors
    ///
    /// The system's, such as `NotFound` or `ConnectionRefused`; `InvalidInput` for a path that is too long.
    #[track_caller]
    pub fn send_to<P: AsRef<Path>>(&self, buffer: &[u8], path: P) -> io::Result<usize> {
        self.send_to_addr(buffer, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to a socket with this address, as [`send_to`](UnixDatagram::send_to) does to one with a path.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused`.
    #[track_caller]
    pub fn send_to_addr(&self, buffer: &[u8], address: &SocketAddr) -> io::Result<usize> {
        let address = to_system(address)?;
        retry(WaitKind::Write, self.socket.write_patience(), || {
            sys::send_to(self.socket.get().as_fd(), buffer, &address)
        })
    }

    /// Sends a datagram to the peer that the socket is [connected](UnixDatagram::connect) to, and waits for room as needed.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused` when the peer is gone.
    #[track_caller]
    pub fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.write_with(|fd| sys::send(fd, buffer))
    }

    /// Closes one direction, or both, on every clone. Greenlets that wait for it wake: what receives gets empty datagrams once
    /// those that were there are gone, what sends fails.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    fn from_socket(socket: Socket<net::UnixDatagram>) -> UnixDatagram {
        UnixDatagram { socket }
    }
}
