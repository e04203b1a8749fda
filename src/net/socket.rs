//! What all sockets have in common: the source, the modes, and the calls that differ in nothing but their names.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{self, Shutdown};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix;
use std::time::Duration;

use socket2::SockRef;

use super::handle::Handle;
use super::modes::{Modes, Patience};
use super::nature::Nature;
use super::nonblocking::{self, Nonblocking};
use super::source::{Purpose, Source};
use super::sys;
use crate::primitive::sync::Arc;

/// std's type of a socket.
pub(super) trait StdSocket: AsFd + From<OwnedFd> + Into<OwnedFd> {
    /// Its calls wait unless the socket is in non-blocking mode. Those of the others are told each time not to.
    const NEEDS_MODE: bool = sys::TRANSFERS_NEED_MODE;

    /// It is TCP's, unless it was made of a descriptor of another kind.
    const IS_TCP: bool = false;
}

impl StdSocket for net::TcpStream {
    const IS_TCP: bool = true;
}

impl StdSocket for net::UdpSocket {}
impl StdSocket for unix::net::UnixStream {}
impl StdSocket for unix::net::UnixDatagram {}

impl StdSocket for net::TcpListener {
    const NEEDS_MODE: bool = true;
    const IS_TCP: bool = true;
}

impl StdSocket for unix::net::UnixListener {
    const NEEDS_MODE: bool = true;
}

/// A socket of either world: std's underneath, greenlets' above.
pub(super) struct Socket<S: Into<OwnedFd>> {
    source: Source<Handle<S>>,
    nature: Nature,
    /// It was made non-blocking from the start: std would have made it otherwise.
    is_ours: bool,
}

impl<S: StdSocket> Socket<S> {
    /// A new socket, in non-blocking mode from the start.
    pub(super) fn new(socket: S, nature: Nature) -> Socket<S> {
        Socket {
            source: Source::over(Handle::new(socket, Arc::default())),
            nature,
            is_ours: true,
        }
    }

    /// What this one, a listener, has just accepted: the same kind of socket, which has inherited its options.
    pub(super) fn accepted<A: StdSocket>(&self, fd: OwnedFd) -> Socket<A> {
        let socket = Socket::new(A::from(fd), self.nature);
        if self.modes().is_lent() {
            socket.modes().set_lent();
        }
        socket
    }

    /// Takes over a socket with the timeouts that the kernel knows. Calls wait, whatever mode it is in; where that does not
    /// matter it stays in it, because clones that were made before share it.
    pub(super) fn adopt(socket: S) -> io::Result<Socket<S>> {
        let nonblocking = if S::NEEDS_MODE {
            // SAFETY: a source drops it before it drops the socket, which it never lends mutably.
            unsafe { Nonblocking::need(&socket) }?
        } else {
            Nonblocking::none()
        };
        Ok(Socket::adopt_as(socket, nonblocking))
    }

    /// The same for any descriptor. What cannot be used fails at its first use.
    pub(super) fn adopt_any(fd: OwnedFd) -> Socket<S> {
        let socket = S::from(fd);
        let nonblocking = if S::NEEDS_MODE {
            // SAFETY: as in `adopt`.
            let result = unsafe { Nonblocking::need(&socket) };
            // It fails for what is no open file, and that fails at every other call too.
            result.unwrap_or_else(|_| Nonblocking::none())
        } else {
            Nonblocking::none()
        };
        Socket::adopt_as(socket, nonblocking)
    }

    fn adopt_as(socket: S, nonblocking: Nonblocking) -> Socket<S> {
        let options = SockRef::from(&socket);
        let read = options.read_timeout().unwrap_or_default();
        let write = options.write_timeout().unwrap_or_default();
        let nature = if S::IS_TCP {
            Nature::of(socket.as_fd())
        } else {
            Nature::Other
        };
        let modes = Modes::new(read, write);
        modes.set_lent();
        Socket {
            source: Source::with(Handle::new(socket, Arc::new(modes)), nonblocking),
            nature,
            is_ours: false,
        }
    }

    /// The socket in the mode that std would have left it in, and whether that succeeded. If there are clones that need it to
    /// be non-blocking, that is when the last of them has gone.
    pub(super) fn release(self) -> (S, io::Result<()>) {
        let said = self.modes().said_of_nonblocking();
        let socket = self.source.release().into_std();
        let result = match said.or(self.is_ours.then_some(false)) {
            Some(nonblocking) => nonblocking::set_mode(socket.as_fd(), nonblocking),
            // It is in the mode in which it came.
            None => Ok(()),
        };
        (socket, result)
    }

    /// std's socket, for the calls that do not wait.
    pub(super) fn get(&self) -> &S {
        self.source.get()
    }

    /// The same for others, who may do with it what they like.
    pub(super) fn lend(&self) -> &S {
        self.modes().set_lent();
        self.get()
    }

    /// Another handle, which shares the modes.
    pub(super) fn try_clone(&self) -> io::Result<Socket<S>> {
        let duplicate = S::from(self.get().as_fd().try_clone_to_owned()?);
        // SAFETY: as in `adopt`.
        let nonblocking = unsafe { self.source.nonblocking().need_by(&duplicate) };
        let duplicate = Handle::new(duplicate, Arc::clone(self.source.get().modes()));
        Ok(Socket {
            source: Source::with(duplicate, nonblocking),
            nature: self.nature,
            is_ours: self.is_ours,
        })
    }

    /// Sets the read timeout.
    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let options = SockRef::from(self.get());
        // The kernel's own does nothing in non-blocking mode, but a std socket that this becomes will need it.
        options.set_read_timeout(in_kernel(timeout)?)?;
        self.modes().set_read_timeout(timeout);
        Ok(())
    }

    /// Sets the write timeout.
    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let options = SockRef::from(self.get());
        options.set_write_timeout(in_kernel(timeout)?)?;
        self.modes().set_write_timeout(timeout);
        Ok(())
    }

    /// How calls wait.
    pub(super) fn modes(&self) -> &Modes {
        self.source.get().modes()
    }

    /// Closes one direction or both.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(self.get()).shutdown(how)
    }

    /// The pending error.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        SockRef::from(self.get()).take_error()
    }

    /// Repeats what connects until it does not fail with `WouldBlock`.
    #[track_caller]
    pub(super) fn connect_with(
        &self,
        patience: Patience,
        mut attempt: impl FnMut(&S) -> io::Result<()>,
    ) -> io::Result<()> {
        self.source
            .run(Purpose::CONNECT, patience, |_| attempt(self.get()))
    }

    /// Repeats what reads, or accepts, until it does not fail with `WouldBlock`.
    #[track_caller]
    pub(super) fn read_with<R>(
        &self,
        purpose: Purpose,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source
            .run(purpose, self.modes().read_patience(), attempt)
    }

    /// Repeats what writes until it does not fail with `WouldBlock`.
    #[track_caller]
    pub(super) fn write_with<R>(
        &self,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source
            .run(Purpose::WRITE, self.write_patience(), attempt)
    }

    /// How long a write may wait.
    pub(super) fn write_patience(&self) -> Patience {
        self.modes().write_patience()
    }
}

/// Datagrams.
impl<S: StdSocket> Socket<S> {
    /// Repeats what receives a datagram until it does not fail with `WouldBlock`. If the socket was shut down, it gives what
    /// `end` does: a call that blocks gets that from the system, but one that must not is told to wait for ever.
    #[track_caller]
    pub(super) fn receive_datagram<R>(
        &self,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        end: impl Fn() -> R,
    ) -> io::Result<R> {
        self.read_with(Purpose::READ, |fd| {
            let would_block = |result: &io::Result<R>| {
                matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            };
            let first = attempt(fd);
            // In non-blocking mode std's fails, too.
            if !would_block(&first) || self.modes().nonblocking() || !sys::is_shut_down(fd)? {
                return first;
            }
            // What was there before the shutdown is there now, and no more comes.
            let last = attempt(fd);
            if would_block(&last) { Ok(end()) } else { last }
        })
    }
}

/// Streams of bytes.
impl<S: StdSocket> Socket<S> {
    /// Reads.
    #[track_caller]
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let asked_for = sys::asked_for([buffer.len()].into_iter());
        let patience = self.modes().read_patience();
        self.transfer(Purpose::READ, patience, asked_for, |fd| {
            sys::receive(fd, buffer)
        })
    }

    /// Reads into several buffers.
    #[track_caller]
    pub(super) fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        // There may be more of these than a call takes: it would return 0, which is to mean the end.
        let empty = buffers.iter().take_while(|buffer| buffer.is_empty());
        let empty = empty.count();
        let buffers = &mut buffers[empty..];
        if buffers.is_empty() {
            // A receiving call would wait; std's, which is for files too, does not.
            return Ok(0);
        }
        let asked_for = sys::asked_for(buffers.iter().map(|buffer| buffer.len()));
        let patience = self.modes().read_patience();
        self.transfer(Purpose::READ, patience, asked_for, |fd| {
            sys::receive_vectored(fd, buffers)
        })
    }

    /// Writes.
    #[track_caller]
    pub(super) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let asked_for = sys::asked_for([buffer.len()].into_iter());
        let patience = self.modes().write_patience();
        self.transfer(Purpose::WRITE, patience, asked_for, |fd| {
            sys::send(fd, buffer)
        })
    }

    /// Writes from several buffers.
    #[track_caller]
    pub(super) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // As for reads.
        let empty = buffers.iter().take_while(|buffer| buffer.is_empty());
        let buffers = &buffers[empty.count()..];
        if buffers.is_empty() {
            return Ok(0);
        }
        let asked_for = sys::asked_for(buffers.iter().map(|buffer| buffer.len()));
        let patience = self.modes().write_patience();
        self.transfer(Purpose::WRITE, patience, asked_for, |fd| {
            sys::send_vectored(fd, buffers)
        })
    }

    /// Moves bytes with `attempt`, which asks the system for so many.
    #[track_caller]
    fn transfer(
        &self,
        purpose: Purpose,
        patience: Patience,
        asked_for: usize,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // An empty transfer says nothing about the socket, nor does the end of a stream.
        let is_short = |moved: &usize| self.nature == Nature::Tcp && (1..asked_for).contains(moved);
        if asked_for == 0 {
            self.source.run_at_once(purpose, patience, attempt)
        } else {
            self.source.until_done(purpose, patience, attempt, is_short)
        }
    }
}

impl<S: fmt::Debug + Into<OwnedFd>> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// The timeout as the kernel's option takes it: there zero means none, and microseconds are the unit.
fn in_kernel(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    match timeout {
        Some(Duration::ZERO) => Err(zero_timeout()),
        timeout => Ok(timeout.map(|timeout| timeout.max(Duration::from_micros(1)))),
    }
}

/// The error for a timeout of zero, in std's words.
pub(super) fn zero_timeout() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "cannot set a 0 duration timeout",
    )
}
