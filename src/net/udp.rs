//! UDP sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::{ToSocketAddrs, first_of};
use super::socket::Socket;
use super::source::Purpose;
use super::sys;
use super::traits::{descriptor_traits, socket_methods, timeout_methods};

/// A UDP socket: [`std::net::UdpSocket`] for greenlets.
///
/// Any number of greenlets may send and receive through one socket. A kill or a timeout loses no datagram: what has been
/// received is returned.
///
/// ```
/// use greenhub::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let near = UdpSocket::bind("127.0.0.1:0")?;
///     let far = UdpSocket::bind("127.0.0.1:0")?;
///     let address = near.local_addr()?;
///     greenhub::spawn(move || far.send_to(b"hello", address));
///     let mut buffer = [0; 64];
///     let (length, _) = near.recv_from(&mut buffer)?;
///     assert_eq!(&buffer[..length], b"hello");
///     Ok(())
/// })
/// # }
/// ```
pub struct UdpSocket {
    socket: Socket<std::net::UdpSocket>,
}

descriptor_traits!(UdpSocket, std::net::UdpSocket);
socket_methods!(UdpSocket);
timeout_methods!(UdpSocket);

impl UdpSocket {
    /// Binds an address, the first that can be had; see [`std::net::UdpSocket::bind`]. Port 0 asks for any free port.
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        first_of(address, std::net::UdpSocket::bind)?.try_into()
    }

    /// Waits for a datagram, and gives its length and where it came from. What does not fit in the buffer is lost, as with
    /// std.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receive_from(buffer, false)
    }

    /// Waits for a datagram and copies it, but leaves it for the next call.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receive_from(buffer, true)
    }

    #[track_caller]
    fn receive_from(&self, buffer: &mut [u8], peek: bool) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self
            .socket
            .read_with(Purpose::READ, |fd| sys::receive_from(fd, buffer, peek))?;
        Ok((length, sys::internet(&address)?))
    }

    /// Sends a datagram to an address: the first that a name stands for.
    ///
    /// # Errors
    ///
    /// The system's; `InvalidInput` when there is no address.
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, buffer: &[u8], address: A) -> io::Result<usize> {
        let Some(address) = address.to_socket_addrs()?.next() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no addresses to send data to",
            ));
        };
        let address = address.into();
        self.socket
            .write_with(|fd| sys::send_to(fd, buffer, &address))
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected`, and the system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// Sets the peer for [`send`](UdpSocket::send), and the only one whose datagrams are received: the first address that
    /// can be had.
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        // Nothing is sent, so nothing is waited for.
        first_of(address, |address| self.socket.get().connect(address))
    }

    /// Sends a datagram to the peer that the socket is [connected](UdpSocket::connect) to.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused` when nobody received an earlier one.
    #[track_caller]
    pub fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.write_with(|fd| sys::send(fd, buffer))
    }

    /// Waits for a datagram of the peer that the socket is [connected](UdpSocket::connect) to. What does not fit in the
    /// buffer is lost, as with std.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionRefused` when nobody received what was sent.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket
            .read_with(Purpose::READ, |fd| sys::receive(fd, buffer))
    }

    /// The same, but leaves the datagram for the next call.
    ///
    /// # Errors
    ///
    /// As for [`recv`](UdpSocket::recv).
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket
            .read_with(Purpose::READ, |fd| sys::peek(fd, buffer))
    }

    fn from_socket(socket: Socket<std::net::UdpSocket>) -> UdpSocket {
        UdpSocket { socket }
    }
}

/// Options: std's own words tell what each does.
impl UdpSocket {
    /// Whether datagrams may be sent to a broadcast address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.get().set_broadcast(broadcast)
    }

    /// See [`set_broadcast`](UdpSocket::set_broadcast).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket.get().broadcast()
    }

    /// Sets the time to live of the datagrams sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.get().set_ttl(ttl)
    }

    /// The time to live of the datagrams sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.get().ttl()
    }

    /// Whether what is sent to a version 4 group comes back to this machine's members.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_loop_v4(&self, multicast_loop_v4: bool) -> io::Result<()> {
        self.socket.get().set_multicast_loop_v4(multicast_loop_v4)
    }

    /// See [`set_multicast_loop_v4`](UdpSocket::set_multicast_loop_v4).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.socket.get().multicast_loop_v4()
    }

    /// Sets how many networks a datagram for a version 4 group may cross.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_ttl_v4(&self, multicast_ttl_v4: u32) -> io::Result<()> {
        self.socket.get().set_multicast_ttl_v4(multicast_ttl_v4)
    }

    /// See [`set_multicast_ttl_v4`](UdpSocket::set_multicast_ttl_v4).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket.get().multicast_ttl_v4()
    }

    /// Whether what is sent to a version 6 group comes back to this machine's members.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_loop_v6(&self, multicast_loop_v6: bool) -> io::Result<()> {
        self.socket.get().set_multicast_loop_v6(multicast_loop_v6)
    }

    /// See [`set_multicast_loop_v6`](UdpSocket::set_multicast_loop_v6).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.socket.get().multicast_loop_v6()
    }

    /// Joins a version 4 group, on the interface with this address; `0.0.0.0` lets the system choose.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.get().join_multicast_v4(group, interface)
    }

    /// Joins a version 6 group, on the interface with this index; 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.get().join_multicast_v6(group, interface)
    }

    /// Leaves a group; the arguments are those of [`join_multicast_v4`](UdpSocket::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.get().leave_multicast_v4(group, interface)
    }

    /// Leaves a group; the arguments are those of [`join_multicast_v6`](UdpSocket::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.get().leave_multicast_v6(group, interface)
    }
}
