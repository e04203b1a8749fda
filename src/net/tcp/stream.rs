//! A connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::connect::connect;
use crate::net::address::{ToSocketAddrs, first_of};
use crate::net::modes::Patience;
use crate::net::socket::{Socket, zero_timeout};
use crate::net::source::Purpose;
use crate::net::sys;
use crate::net::traits::{descriptor_traits, socket_methods, stream_traits, timeout_methods};

/// A TCP connection: [`std::net::TcpStream`] for greenlets.
///
/// Reads and writes go through [`Read`](std::io::Read) and [`Write`](std::io::Write), which a shared reference implements
/// too: one greenlet may read while another writes. Dropping the last handle closes the connection.
///
/// ```no_run
/// use std::io::{Read, Write};
/// use greenhub::net::TcpStream;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let mut stream = TcpStream::connect("127.0.0.1:7000")?;
///     stream.write_all(b"hello")?;
///     let mut answer = [0; 5];
///     stream.read_exact(&mut answer)?;
///     assert_eq!(&answer, b"hello");
///     Ok(())
/// })
/// # }
/// ```
pub struct TcpStream {
    socket: Socket<std::net::TcpStream>,
}

descriptor_traits!(TcpStream, std::net::TcpStream);
socket_methods!(TcpStream);
timeout_methods!(TcpStream);
stream_traits!(TcpStream);

impl TcpStream {
    /// Connects to an address, the first that answers; see [`std::net::TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let socket = first_of(address, |address| connect(&address, Patience::Endless))?;
        Ok(TcpStream::from_socket(socket))
    }

    /// Connects to one address, and gives up after `timeout`; see [`std::net::TcpStream::connect_timeout`].
    ///
    /// # Errors
    ///
    /// `TimedOut` when the peer has not answered in time, `InvalidInput` for a timeout of zero, and the system's.
    #[track_caller]
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(zero_timeout());
        }
        match connect(address, Patience::For(timeout)) {
            Ok(socket) => Ok(TcpStream::from_socket(socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "connection timed out",
            )),
            Err(error) => Err(error),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// This side's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// Closes one direction, or both, on every clone; see [`std::net::TcpStream::shutdown`]. Greenlets that wait for it
    /// wake: reads find the end of the stream, writes fail.
    ///
    /// # Errors
    ///
    /// The system's, such as `NotConnected` when the peer has closed too.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// Waits for bytes and copies them, but leaves them for the next read.
    ///
    /// # Errors
    ///
    /// As a read's.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket
            .read_with(Purpose::READ, |fd| sys::peek(fd, buffer))
    }

    /// With `true`, small writes are sent at once, instead of being held back until the peer has acknowledged the last.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.get().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.get().nodelay()
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

    pub(super) fn from_socket(socket: Socket<std::net::TcpStream>) -> TcpStream {
        TcpStream { socket }
    }
}

/// What std has in `std::os::linux::net::TcpStreamExt`.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl TcpStream {
    /// With `true`, acknowledgements are sent at once. The system forgets it now and then; see `TCP_QUICKACK` in tcp(7).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        socket2::SockRef::from(self.socket.get()).set_tcp_quickack(quickack)
    }

    /// Whether acknowledgements are sent at once.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn quickack(&self) -> io::Result<bool> {
        socket2::SockRef::from(self.socket.get()).tcp_quickack()
    }
}
