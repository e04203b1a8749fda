//! Timeouts, options, and not waiting at all.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use greenhub::net::TcpStream;

use crate::worlds::{SHORT, everywhere, fill, listen, pair};

#[test]
fn a_read_that_waits_longer_than_its_timeout_would_block() {
    everywhere(|world| {
        let (near, far) = pair();
        assert_eq!(near.read_timeout().unwrap(), None);
        near.set_read_timeout(Some(SHORT)).unwrap();
        let clone = near.try_clone().unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(SHORT));
        for mut stream in [&near, &clone] {
            let began = Instant::now();
            let error = stream.read(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
            assert!(began.elapsed() >= SHORT);
            assert_eq!(
                stream.peek(&mut [0; 8]).unwrap_err().kind(),
                ErrorKind::WouldBlock
            );
        }
        // The socket is as good as before.
        clone.set_read_timeout(None).unwrap();
        let writer = world.spawn(move || (&far).write_all(b"late").map(|()| far).unwrap());
        let mut received = [0; 4];
        (&near).read_exact(&mut received).unwrap();
        assert_eq!(&received, b"late");
        writer.join();
    });
}

#[test]
fn a_write_that_waits_longer_than_its_timeout_would_block() {
    everywhere(|_| {
        let (near, far) = pair();
        near.set_write_timeout(Some(SHORT)).unwrap();
        assert_eq!(near.write_timeout().unwrap(), Some(SHORT));
        fill(&near);
        let began = Instant::now();
        let error = loop {
            // The peer's kernel may still be taking some.
            if let Err(error) = (&near).write(&[0; 65_536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
        drop(far);
    });
}

#[test]
fn a_timeout_of_zero_is_refused() {
    let (near, _far) = pair();
    let zero = Some(Duration::ZERO);
    assert_eq!(
        near.set_read_timeout(zero).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        near.set_write_timeout(zero).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let address = near.peer_addr().unwrap();
    let error = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_endless_timeout_is_one() {
    everywhere(|world| {
        let (near, far) = pair();
        near.set_read_timeout(Some(Duration::MAX)).unwrap();
        let writer = world.spawn(move || (&far).write_all(b"x").map(|()| far).unwrap());
        (&near).read_exact(&mut [0]).unwrap();
        writer.join();
    });
}

#[test]
fn in_nonblocking_mode_nothing_waits() {
    everywhere(|_| {
        let (listener, address) = listen();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let clone = listener.try_clone().unwrap();
        assert_eq!(clone.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        clone.set_nonblocking(false).unwrap();
        let near = TcpStream::connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        assert_eq!(
            (&near).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        // A mode that was inherited from nobody: what is accepted waits.
        (&near).write_all(b"x").unwrap();
        (&far).read_exact(&mut [0]).unwrap();
        (&far).write_all(b"y").unwrap();
        near.set_nonblocking(false).unwrap();
        (&near).read_exact(&mut [0]).unwrap();
        // And it tries in earnest when it waited before, and nothing is known of the socket.
        near.set_nonblocking(true).unwrap();
        assert_eq!(
            (&near).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        (&far).write_all(b"z").unwrap();
        while (&near).read(&mut [0]).is_err() {}
    });
}

#[test]
fn options_are_the_sockets() {
    let (near, _far) = pair();
    near.set_nodelay(true).unwrap();
    assert!(near.nodelay().unwrap());
    near.set_ttl(42).unwrap();
    assert_eq!(near.ttl().unwrap(), 42);
    assert!(near.take_error().unwrap().is_none());
    let (listener, address) = listen();
    listener.set_ttl(43).unwrap();
    assert_eq!(listener.ttl().unwrap(), 43);
    assert!(listener.take_error().unwrap().is_none());
    let number = listener.as_raw_fd();
    assert_eq!(
        format!("{listener:?}"),
        format!("TcpListener {{ addr: {address}, fd: {number} }}")
    );
    assert!(format!("{near:?}").starts_with("TcpStream { addr: 127.0.0.1:"));
}
