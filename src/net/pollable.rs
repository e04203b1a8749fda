//! What users do with a source of their own.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::file;
use super::lingering::Spare;
use super::modes::Patience;
use super::nonblocking::Nonblocking;
use super::source::{Purpose, Source};
use super::sys;

impl<T: AsFd> Source<T> {
    /// Makes a source of what has a descriptor, and puts that into non-blocking mode for as long as there are sources of it.
    ///
    /// It may own the descriptor, or borrow it: `Source::new(&socket)` and `Source::new(socket.as_fd())` will do. Several
    /// sources of one descriptor may wait at the same time.
    ///
    /// If it is a socket that lingers already (`SO_LINGER`), dropping the source does not wait for that: a duplicate of the descriptor
    /// is kept, and closed by an OS thread.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for regular files, directories and block devices: no system tells when these are ready. Read and write
    /// them through [`offload`](crate::offload()). Otherwise the system's.
    pub fn new(io: T) -> io::Result<Source<T>> {
        if !file::may_be_polled(io.as_fd())? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a file on disk cannot be waited for: use `offload`",
            ));
        }
        // SAFETY: a source drops it before it drops `io`, which it never lends mutably.
        let nonblocking = unsafe { Nonblocking::need(&io) }?;
        let spare = Spare::of(io.as_fd());
        Ok(Source::with_spare(io, nonblocking, spare))
    }

    /// What the source was made of. Do not change its descriptor's mode.
    pub fn get_ref(&self) -> &T {
        self.get()
    }

    /// Gives back what the source was made of, in the mode that it had unless other sources of the open file are left.
    pub fn into_inner(self) -> T {
        self.release()
    }

    /// Waits until reading would not block: there are bytes, or the end, or an error. That is so when this returns, but
    /// somebody else may read before the caller does. So call it again if the read would block after all:
    ///
    /// ```
    /// use std::io::{ErrorKind, Read};
    /// use greenhub::net::Source;
    ///
    /// /// Reads with a call that knows nothing of greenlets.
    /// fn read(socket: &std::os::unix::net::UnixStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    ///     let source = Source::new(socket)?;
    ///     loop {
    ///         source.readable()?;
    ///         match (&*socket).read(buffer) {
    ///             Err(error) if error.kind() == ErrorKind::WouldBlock => {}
    ///             done => return done,
    ///         }
    ///     }
    /// }
    /// # let (near, far) = std::os::unix::net::UnixStream::pair()?;
    /// # std::io::Write::write_all(&mut &far, b"x")?;
    /// # assert_eq!(greenhub::run(move || read(&near, &mut [0; 8]))?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Each call asks the system anew, which costs a system call more than [`read_with`](Source::read_with).
    ///
    /// # Errors
    ///
    /// `Unsupported` where the system has no way to wait for this kind of file, otherwise the system's.
    #[track_caller]
    pub fn readable(&self) -> io::Result<()> {
        self.ready(Purpose::READ, Patience::Endless)
    }

    /// Waits until writing would not block, as [`readable`](Source::readable) does for reading.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Source::readable).
    #[track_caller]
    pub fn writable(&self) -> io::Result<()> {
        self.ready(Purpose::WRITE, Patience::Endless)
    }

    /// Waits until reading would not block, but no longer than `timeout`, and says whether it is so.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Source::readable).
    #[track_caller]
    pub fn readable_timeout(&self, timeout: Duration) -> io::Result<bool> {
        in_time(self.ready(Purpose::READ, Patience::For(timeout)))
    }

    /// Waits until writing would not block, but no longer than `timeout`, and says whether it is so.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Source::readable).
    #[track_caller]
    pub fn writable_timeout(&self, timeout: Duration) -> io::Result<bool> {
        in_time(self.ready(Purpose::WRITE, Patience::For(timeout)))
    }

    /// Does something that reads, without blocking: calls `attempt` until it does not fail with `WouldBlock`, and waits in
    /// between. What it gives last is returned. Interrupted attempts are repeated.
    ///
    /// An attempt must fail with `WouldBlock` only if the system has just said so: then a wait is due, which ends when the
    /// system says otherwise.
    ///
    /// ```
    /// use std::net::UdpSocket;
    /// use greenhub::net::Source;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// greenhub::run(|| {
    ///     let socket = Source::new(UdpSocket::bind("127.0.0.1:0")?)?;
    ///     let address = socket.get_ref().local_addr()?;
    ///     greenhub::spawn(move || UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", address));
    ///     let mut buffer = [0; 16];
    ///     let (length, _) = socket.read_with(|socket| socket.recv_from(&mut buffer))?;
    ///     assert_eq!(&buffer[..length], b"hello");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The attempt's; those of [`readable`](Source::readable) when it waits.
    #[track_caller]
    pub fn read_with<R>(&self, mut attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run(Purpose::READ, Patience::Endless, |_| attempt(self.get()))
    }

    /// Does something that writes, as [`read_with`](Source::read_with) does what reads.
    ///
    /// # Errors
    ///
    /// As for [`read_with`](Source::read_with).
    #[track_caller]
    pub fn write_with<R>(&self, mut attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run(Purpose::WRITE, Patience::Endless, |_| attempt(self.get()))
    }

    #[track_caller]
    fn read_at_once<R>(&self, mut attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run_at_once(Purpose::READ, Patience::Endless, |_| attempt(self.get()))
    }

    #[track_caller]
    fn write_at_once<R>(&self, mut attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run_at_once(Purpose::WRITE, Patience::Endless, |_| attempt(self.get()))
    }

    /// The registration knows edges, of which others may have used up the cause; the system knows how things stand.
    #[track_caller]
    fn ready(&self, purpose: Purpose, patience: Patience) -> io::Result<()> {
        self.run(purpose, patience, |fd| {
            if sys::is_ready(fd, purpose.direction())? {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(libc::EAGAIN))
            }
        })
    }
}

/// Whether it was ready before the time was up.
fn in_time(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// What moves nothing is tried whatever is known: whoever asks for nothing waits only if `T` would.
impl<T: AsFd> Read for &Source<T>
where
    for<'a> &'a T: Read,
{
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return self.read_at_once(|mut io| io.read(buffer));
        }
        self.read_with(|mut io| io.read(buffer))
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return self.read_at_once(|mut io| io.read_vectored(buffers));
        }
        self.read_with(|mut io| io.read_vectored(buffers))
    }
}

impl<T: AsFd> Write for &Source<T>
where
    for<'a> &'a T: Write,
{
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return self.write_at_once(|mut io| io.write(buffer));
        }
        self.write_with(|mut io| io.write(buffer))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return self.write_at_once(|mut io| io.write_vectored(buffers));
        }
        self.write_with(|mut io| io.write_vectored(buffers))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        self.write_at_once(|mut io| io.flush())
    }
}

impl<T: AsFd> Read for Source<T>
where
    for<'a> &'a T: Read,
{
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl<T: AsFd> Write for Source<T>
where
    for<'a> &'a T: Write,
{
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl<T: AsFd> AsFd for Source<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get().as_fd()
    }
}

impl<T: AsFd> AsRawFd for Source<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
