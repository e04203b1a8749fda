//! A connection.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::connect::connect;
use crate::net::modes::{Modes, Patience};
use crate::net::source::{Purpose, Source};
use crate::net::sys;
use crate::primitive::sync::Arc;

/// A TCP connection: [`std::net::TcpStream`] for greenlets.
///
/// Reads and writes go through [`Read`] and [`Write`], which a shared reference implements too: one greenlet may read
/// while another writes. Dropping the last handle closes the connection.
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
    source: Source<std::net::TcpStream>,
    modes: Arc<Modes>,
}

impl TcpStream {
    /// Connects to an address, the first that answers; see [`std::net::TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let mut last = None;
        for address in address.to_socket_addrs()? {
            match connect(&address, Patience::Endless) {
                Ok(source) => {
                    return Ok(TcpStream {
                        source,
                        modes: Arc::default(),
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "could not resolve to any addresses",
            )
        }))
    }

    /// Connects to one address, and gives up after `timeout`; see [`std::net::TcpStream::connect_timeout`].
    ///
    /// # Errors
    ///
    /// `TimedOut` when the peer has not answered in time, `InvalidInput` for a timeout of zero, and the system's.
    #[track_caller]
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot set a 0 duration timeout",
            ));
        }
        match connect(address, Patience::For(timeout)) {
            Ok(source) => Ok(TcpStream {
                source,
                modes: Arc::default(),
            }),
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
        self.source.get().peer_addr()
    }

    /// This side's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Closes one direction, or both, on every clone; see [`std::net::TcpStream::shutdown`]. Greenlets that wait for it
    /// wake: reads find the end of the stream, writes fail.
    ///
    /// # Errors
    ///
    /// The system's, such as `NotConnected` when the peer has closed too.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.get().shutdown(how)
    }

    /// Another handle to the same connection, with the same timeouts.
    ///
    /// # Errors
    ///
    /// The system's, as when there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        let socket = self.source.get().try_clone()?;
        Ok(TcpStream {
            source: Source::over(socket),
            modes: Arc::clone(&self.modes),
        })
    }

    /// How long a read may wait before it fails with `WouldBlock`, as std's does on Unix; `None` for ever. Holds for every
    /// clone, from the next read on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        // The kernel's own does nothing in non-blocking mode, but a std socket that this becomes will need it.
        self.source.get().set_read_timeout(timeout)?;
        self.modes.set_read_timeout(timeout);
        Ok(())
    }

    /// How long a write may wait before it fails with `WouldBlock`, as std's does on Unix; `None` for ever. Holds for every
    /// clone, from the next write on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.get().set_write_timeout(timeout)?;
        self.modes.set_write_timeout(timeout);
        Ok(())
    }

    /// How long a read may wait.
    ///
    /// # Errors
    ///
    /// None; std's signature.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.modes.read_timeout())
    }

    /// How long a write may wait.
    ///
    /// # Errors
    ///
    /// None; std's signature.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.modes.write_timeout())
    }

    /// Waits for bytes and copies them, but leaves them for the next read.
    ///
    /// # Errors
    ///
    /// As a read's.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source
            .run(Purpose::READ, self.modes.read_patience(), |fd| {
                sys::peek(fd, buffer)
            })
    }

    /// With `true`, small writes are sent at once, instead of being held back until the peer has acknowledged the last.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.get().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.get().nodelay()
    }

    /// Sets the time to live of the packets sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get().set_ttl(ttl)
    }

    /// The time to live of the packets sent.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get().ttl()
    }

    /// The socket's pending error, which this clears.
    ///
    /// # Errors
    ///
    /// The system's, when it does not tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get().take_error()
    }

    /// With `true`, calls that would wait fail with `WouldBlock` instead, on every clone too.
    ///
    /// # Errors
    ///
    /// None; std's signature.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.modes.set_nonblocking(nonblocking);
        Ok(())
    }

    /// A connection that was just accepted, in non-blocking mode already.
    pub(super) fn accepted(socket: OwnedFd) -> TcpStream {
        TcpStream {
            source: Source::over(socket.into()),
            modes: Arc::default(),
        }
    }

    /// Takes over a connection with the timeouts that the kernel knows.
    fn adopt(socket: std::net::TcpStream) -> TcpStream {
        let read = socket.read_timeout().unwrap_or_default();
        let write = socket.write_timeout().unwrap_or_default();
        TcpStream {
            source: Source::over(socket),
            modes: Arc::new(Modes::new(read, write)),
        }
    }

    /// The socket in the mode that std would have left it in, and whether that succeeded. Clones do not mind: their
    /// transfers do not depend on it.
    fn release(self) -> (std::net::TcpStream, io::Result<()>) {
        let nonblocking = self.modes.nonblocking();
        let socket = self.source.release();
        let result = sys::set_nonblocking(socket.as_fd(), nonblocking);
        (socket, result)
    }
}

impl Read for &TcpStream {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len();
        self.source
            .transfer(Purpose::READ, self.modes.read_patience(), len, |fd| {
                sys::receive(fd, buffer)
            })
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        self.source
            .transfer(Purpose::READ, self.modes.read_patience(), len, |fd| {
                sys::receive_vectored(fd, buffers)
            })
    }
}

impl Write for &TcpStream {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let len = buffer.len();
        self.source
            .transfer(Purpose::WRITE, self.modes.write_patience(), len, |fd| {
                sys::send(fd, buffer)
            })
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        self.source
            .transfer(Purpose::WRITE, self.modes.write_patience(), len, |fd| {
                sys::send_vectored(fd, buffers)
            })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for TcpStream {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get().as_raw_fd()
    }
}

impl IntoRawFd for TcpStream {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}

impl FromRawFd for TcpStream {
    unsafe fn from_raw_fd(fd: RawFd) -> TcpStream {
        // SAFETY: the caller gives a descriptor that is open and theirs.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}

impl From<OwnedFd> for TcpStream {
    /// Takes any descriptor, as std does; it is put into non-blocking mode. What is not a connection fails at its first use.
    fn from(fd: OwnedFd) -> TcpStream {
        // It fails for what is no open file, and that fails at every other call too.
        let _ = sys::set_nonblocking(fd.as_fd(), true);
        TcpStream::adopt(fd.into())
    }
}

impl From<TcpStream> for OwnedFd {
    /// Gives the descriptor back in blocking mode, unless [`set_nonblocking`](TcpStream::set_nonblocking) said otherwise.
    fn from(stream: TcpStream) -> OwnedFd {
        // As in the other direction, a failure shows at the next use.
        let (socket, _) = stream.release();
        socket.into()
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// Keeps the timeouts. Puts the socket into non-blocking mode underneath; calls wait, whatever mode it was in before.
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        Ok(TcpStream::adopt(stream))
    }
}

impl TryFrom<TcpStream> for std::net::TcpStream {
    type Error = io::Error;

    /// Keeps the timeouts. Gives the socket back in blocking mode, unless
    /// [`set_nonblocking`](TcpStream::set_nonblocking) said otherwise.
    fn try_from(stream: TcpStream) -> io::Result<std::net::TcpStream> {
        let (socket, result) = stream.release();
        result.map(|()| socket)
    }
}
