//! Into std's types and back, and what else may be in a descriptor.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

use greenhub::net::{TcpListener, TcpStream};

use crate::worlds::{SHORT, everywhere, listen, pair};

#[test]
fn sockets_turn_into_stds_and_back() {
    everywhere(|_| {
        let (near, far) = pair();
        near.set_read_timeout(Some(SHORT)).unwrap();
        let clone = near.try_clone().unwrap();
        let mut near = std::net::TcpStream::try_from(near).unwrap();
        // It blocks, as std's do, and its timeout came along.
        assert!(!is_nonblocking(&near));
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let began = Instant::now();
        assert_eq!(
            near.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert!(began.elapsed() >= SHORT);
        // The clone shares the socket, so also its mode; it waits as before.
        assert_eq!(
            (&clone).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(clone);
        let near = TcpStream::try_from(near).unwrap();
        assert!(is_nonblocking(&near));
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let number = near.as_raw_fd();
        let near = OwnedFd::from(near);
        assert_eq!(near.as_raw_fd(), number);
        assert!(!is_nonblocking(&near));
        let near = TcpStream::from(near);
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let number = near.into_raw_fd();
        // SAFETY: it was just given up.
        let near = unsafe { TcpStream::from_raw_fd(number) };
        (&far).write_all(b"x").unwrap();
        (&near).read_exact(&mut [0]).unwrap();

        let (listener, address) = listen();
        let listener = std::net::TcpListener::try_from(listener).unwrap();
        assert!(!is_nonblocking(&listener));
        let listener = TcpListener::try_from(listener).unwrap();
        assert!(is_nonblocking(&listener));
        let clone = listener.try_clone().unwrap();
        let other = OwnedFd::from(clone);
        // Not while it is shared: the other must not block its hub.
        assert!(is_nonblocking(&other));
        drop(other);
        let number = listener.into_raw_fd();
        // SAFETY: it was just given up.
        let listener = unsafe { TcpListener::from_raw_fd(number) };
        let _near = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    });
}

#[test]
fn a_socket_that_was_given_away_waits_again_when_it_is_back() {
    everywhere(|world| {
        let (mut near, far) = pair();
        for _ in 0..20 {
            near.set_read_timeout(Some(Duration::from_micros(100)))
                .unwrap();
            assert_eq!(
                (&near).read(&mut [0]).unwrap_err().kind(),
                ErrorKind::WouldBlock
            );
            // Under the same number, in the same poller perhaps.
            near = TcpStream::from(OwnedFd::from(near));
            near.set_read_timeout(None).unwrap();
            let writer = far.try_clone().unwrap();
            let writer = world.spawn(move || (&writer).write_all(b"x").unwrap());
            (&near).read_exact(&mut [0]).unwrap();
            writer.join();
        }
    });
}

fn is_nonblocking(socket: &impl AsRawFd) -> bool {
    // SAFETY: no pointer is passed.
    let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn what_is_no_socket_fails_at_its_first_use() {
    everywhere(|_| {
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        let stream = TcpStream::from(file.try_clone().unwrap());
        assert_eq!(
            (&stream).read(&mut [0]).unwrap_err().raw_os_error(),
            Some(libc::ENOTSOCK)
        );
        let listener = TcpListener::from(file);
        assert_eq!(
            listener.accept().unwrap_err().raw_os_error(),
            Some(libc::ENOTSOCK)
        );
        // A connection is no listener, a new socket no connection.
        let (near, _far) = pair();
        let listener = TcpListener::from(OwnedFd::from(near));
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let stream = TcpStream::from(OwnedFd::from(socket));
        assert_eq!(
            (&stream).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        assert_eq!(
            stream.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    });
}

#[test]
fn sockets_have_the_auto_traits_of_stds() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + std::fmt::Debug>() {}
    check::<TcpStream>();
    check::<TcpListener>();
    check::<greenhub::net::Incoming<'_>>();
}
