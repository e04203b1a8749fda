//! The system calls that std and socket2 do not offer in the form needed here.
//!
//! Transfers say with each call that they must not block (`MSG_DONTWAIT`), whatever mode the socket is in: the mode belongs to
//! the open socket, not to the descriptor, so whoever holds a duplicate (another process, or a std socket that was cloned)
//! shares it, and may want it otherwise at any moment.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::driver::Direction;

/// Saying so is enough. Elsewhere it is not certain for what sends.
pub(super) const TRANSFERS_NEED_MODE: bool = !cfg!(any(target_os = "linux", target_os = "android"));

const RECEIVE: i32 = libc::MSG_DONTWAIT;

#[cfg(not(any(target_vendor = "apple")))]
const SEND: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
/// Apple has no `MSG_NOSIGNAL`; std and socket2 set the socket option instead.
#[cfg(target_vendor = "apple")]
const SEND: i32 = libc::MSG_DONTWAIT;

/// The most buffers that one call takes (`IOV_MAX`; POSIX promises 16, every system here has 1024).
const MOST_BUFFERS: usize = 1024;

/// No call moves more bytes than this, whatever it is asked for (Linux's `MAX_RW_COUNT`; others allow as many).
const MOST_BYTES: usize = 0x7fff_f000;

/// How many bytes a call asks for that is given buffers of these lengths: see [`receive_vectored`].
pub(super) fn asked_for(lengths: impl Iterator<Item = usize>) -> usize {
    lengths
        .take(MOST_BUFFERS)
        .fold(0, usize::saturating_add)
        .min(MOST_BYTES)
}

/// Receives what is there.
pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(fd, buffer, RECEIVE)
}

/// Looks at what is there, and leaves it.
pub(super) fn peek(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(fd, buffer, RECEIVE | libc::MSG_PEEK)
}

fn receive_with(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said, and writable.
    count(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
        )
    })
}

/// Receives into several buffers: the first ones, if there are more than a call takes.
pub(super) fn receive_vectored(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    // SAFETY: all-zero is a valid `msghdr`: no address, no buffers, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // std guarantees that an `IoSliceMut` has the layout of an `iovec`.
    message.msg_iov = buffers.as_mut_ptr().cast();
    // The field's type differs between systems; 1024 fits in each.
    message.msg_iovlen = buffers.len().min(MOST_BUFFERS) as _;
    // SAFETY: the message names as many writable buffers as it says, and outlives the call.
    count(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, RECEIVE) })
}

/// Sends as much as there is room for.
pub(super) fn send(fd: BorrowedFd<'_>, buffer: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said.
    count(unsafe { libc::send(fd.as_raw_fd(), buffer.as_ptr().cast(), buffer.len(), SEND) })
}

/// Sends from several buffers: the first ones, if there are more than a call takes.
pub(super) fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: as in `receive_vectored`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // As for `IoSliceMut`. Sending does not write through the pointer.
    message.msg_iov = buffers.as_ptr().cast_mut().cast();
    message.msg_iovlen = buffers.len().min(MOST_BUFFERS) as _;
    // SAFETY: as in `receive_vectored`; the buffers are only read.
    count(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, SEND) })
}

/// Receives a datagram, and says where it came from. With `peek` it stays where it is.
pub(super) fn receive_from(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    peek: bool,
) -> io::Result<(usize, SockAddr)> {
    let flags = if peek {
        RECEIVE | libc::MSG_PEEK
    } else {
        RECEIVE
    };
    // SAFETY: recvfrom writes an address with its family and length, or, if there is none, no more than the length; the
    // storage comes zeroed.
    unsafe {
        SockAddr::try_init(|storage, length| {
            // SAFETY: the buffer is as long as is said, and writable; so is the storage.
            count(libc::recvfrom(
                fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                flags,
                storage.cast(),
                length,
            ))
        })
    }
}

/// Sends a datagram to `address`.
pub(super) fn send_to(fd: BorrowedFd<'_>, buffer: &[u8], address: &SockAddr) -> io::Result<usize> {
    SockRef::from(&fd).send_to_with_flags(buffer, address, SEND)
}

/// Whether it is a socket of TCP's, and not of one of the protocols that look the same, as MPTCP does.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_tcp(fd: BorrowedFd<'_>) -> bool {
    let socket = SockRef::from(&fd);
    matches!(socket.r#type(), Ok(Type::STREAM))
        && matches!(socket.protocol(), Ok(Some(Protocol::TCP)))
}

/// Whether it is a socket of TCP's.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_tcp(fd: BorrowedFd<'_>) -> bool {
    let socket = SockRef::from(&fd);
    matches!(socket.r#type(), Ok(Type::STREAM))
        && socket
            .local_addr()
            .is_ok_and(|address| address.as_socket().is_some())
}

/// A new socket for streams, in non-blocking mode.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn stream_socket(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM.nonblocking(), protocol)
}

/// A new socket for streams, in non-blocking mode.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn stream_socket(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts a connection, in non-blocking mode and closed on exec from the start.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    let (socket, address) = SockRef::from(&fd).accept4(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)?;
    Ok((socket.into(), address))
}

/// Accepts a connection, in non-blocking mode and closed on exec.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    let (socket, address) = SockRef::from(&fd).accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), address))
}

/// The address, if it is one of the internet.
pub(super) fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    // std's words for the same.
    address
        .as_socket()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "invalid argument"))
}

/// Whether the descriptor is ready now, or broken.
pub(super) fn is_ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    poll(fd, direction, 0)
}

/// Blocks the OS thread until the socket is ready (or broken), or the deadline has come, which it tells by `false`.
pub(super) fn block(
    fd: BorrowedFd<'_>,
    direction: Direction,
    until: Option<Instant>,
) -> io::Result<bool> {
    loop {
        match poll(fd, direction, milliseconds(until)) {
            Ok(false) if until.is_some_and(|until| until <= Instant::now()) => return Ok(false),
            // A timeout too long for one call, or a signal.
            Ok(false) => {}
            Ok(true) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether nothing can be received any more, although a call that must not block fails as if something might come: so it is
/// for sockets of datagrams that were shut down.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_shut_down(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLRDHUP,
        revents: 0,
    };
    // SAFETY: it is one, and it outlives the call.
    count(unsafe { libc::poll(&mut poll, 1, 0) } as isize)?;
    Ok(poll.revents & libc::POLLRDHUP != 0)
}

/// Other systems tell the end with the call itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_shut_down(_fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(false)
}

fn poll(fd: BorrowedFd<'_>, direction: Direction, milliseconds: i32) -> io::Result<bool> {
    let events = match direction {
        Direction::Read => libc::POLLIN,
        Direction::Write => libc::POLLOUT,
    };
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: it is one, and it outlives the call.
    let ready = count(unsafe { libc::poll(&mut poll, 1, milliseconds) } as isize)?;
    Ok(ready != 0)
}

/// What is left until the deadline, rounded up.
fn milliseconds(until: Option<Instant>) -> i32 {
    until.map_or(-1, |until| {
        let left = until.saturating_duration_since(Instant::now());
        i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    })
}

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_for_what_it_passes_on_and_for_what_a_call_can_move() {
        assert_eq!(asked_for([].into_iter()), 0);
        assert_eq!(asked_for([0, 3, 0, 4].into_iter()), 7);
        assert_eq!(asked_for([1; 3_000].into_iter()), MOST_BUFFERS);
        assert_eq!(asked_for([usize::MAX / 2; 3].into_iter()), MOST_BYTES);
    }
}
