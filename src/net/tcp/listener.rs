//! The side that waits for connections.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::stream::TcpStream;
use crate::greenlet::WaitKind;
use crate::net::modes::{Modes, Patience};
use crate::net::source::{Purpose, Source};
use crate::net::sys;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::sync::Arc;
use crate::wait;

/// How long an accept waits that follows one which ran out of descriptors or memory.
const STARVED: Duration = Duration::from_millis(10);

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
    source: Source<std::net::TcpListener>,
    modes: Arc<Modes>,
    /// The last accept failed for want of descriptors or memory. A hint: it orders nothing.
    starved: AtomicBool,
}

/// An iterator over a listener's connections, as [`std::net::Incoming`]. It never ends.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl TcpListener {
    /// Listens on an address, the first that can be had; see [`std::net::TcpListener::bind`]. Port 0 asks for any free
    /// port.
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        std::net::TcpListener::bind(address)?.try_into()
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
        let patience = if self.modes.nonblocking() {
            Patience::None
        } else {
            Patience::Endless
        };
        // Relaxed, here and below: see the field.
        if patience != Patience::None && self.starved.load(Ordering::Relaxed) {
            pause();
        }
        let accepted = self.source.run(Purpose::ACCEPT, patience, sys::accept);
        let starved = accepted.as_ref().is_err_and(is_starvation);
        if self.starved.load(Ordering::Relaxed) != starved {
            self.starved.store(starved, Ordering::Relaxed);
        }
        let (socket, peer) = accepted?;
        Ok((TcpStream::accepted(socket), peer))
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
        self.source.get().local_addr()
    }

    /// Another handle to the same socket: either accepts what comes.
    ///
    /// # Errors
    ///
    /// The system's, as when there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        let socket = self.source.get().try_clone()?;
        Ok(TcpListener::from_parts(socket, Arc::clone(&self.modes)))
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

    /// With `true`, [`accept`](TcpListener::accept) fails with `WouldBlock` instead of waiting, on every clone too.
    ///
    /// # Errors
    ///
    /// None; std's signature.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.modes.set_nonblocking(nonblocking);
        Ok(())
    }

    fn from_parts(socket: std::net::TcpListener, modes: Arc<Modes>) -> TcpListener {
        TcpListener {
            source: Source::over(socket),
            modes,
            starved: AtomicBool::new(false),
        }
    }

    /// The socket in the mode that std would have left it in, and whether that succeeded. While there are clones, which must
    /// not block their hub, it stays non-blocking.
    fn release(self) -> (std::net::TcpListener, io::Result<()>) {
        let nonblocking = self.modes.nonblocking() || Arc::strong_count(&self.modes) > 1;
        let socket = self.source.release();
        let result = sys::set_nonblocking(socket.as_fd(), nonblocking);
        (socket, result)
    }
}

/// The descriptors of the process or the system have run out, or the memory.
fn is_starvation(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// Waits for somebody to close something.
#[track_caller]
fn pause() {
    let until = Instant::now() + STARVED;
    while !wait::has_passed(Some(until)) {
        wait::deliver_due();
        wait::park(WaitKind::Accept, Some(until));
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

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get().as_raw_fd()
    }
}

impl IntoRawFd for TcpListener {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}

impl FromRawFd for TcpListener {
    unsafe fn from_raw_fd(fd: RawFd) -> TcpListener {
        // SAFETY: the caller gives a descriptor that is open and theirs.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}

impl From<OwnedFd> for TcpListener {
    /// Takes any descriptor, as std does; it is put into non-blocking mode. What is not a listening socket fails at its
    /// first use.
    fn from(fd: OwnedFd) -> TcpListener {
        // It fails for what is no open file, and that fails at every other call too.
        let _ = sys::set_nonblocking(fd.as_fd(), true);
        TcpListener::from_parts(fd.into(), Arc::default())
    }
}

impl From<TcpListener> for OwnedFd {
    /// Gives the descriptor back in blocking mode, unless
    /// [`set_nonblocking`](TcpListener::set_nonblocking) said otherwise or clones are left.
    fn from(listener: TcpListener) -> OwnedFd {
        // As in the other direction, a failure shows at the next use.
        let (socket, _) = listener.release();
        socket.into()
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// Puts the socket into non-blocking mode underneath; calls wait, whatever mode it was in before.
    fn try_from(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        Ok(TcpListener::from_parts(listener, Arc::default()))
    }
}

impl TryFrom<TcpListener> for std::net::TcpListener {
    type Error = io::Error;

    /// Gives the socket back in blocking mode, unless
    /// [`set_nonblocking`](TcpListener::set_nonblocking) said otherwise or clones are left.
    fn try_from(listener: TcpListener) -> io::Result<std::net::TcpListener> {
        let (socket, result) = listener.release();
        result.map(|()| socket)
    }
}
