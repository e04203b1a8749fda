//! std's tests of its UDP sockets, on this crate's: the scenarios of `library/std/src/net/udp/tests.rs` in the Rust project
//! (MIT or Apache-2.0), written again for greenlets, threads and both. What differs is what `std_tcp.rs` says.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use greenhub::channel::unbounded;
use greenhub::net::{IpAddr, SocketAddr, UdpSocket};

use crate::worlds::{SHORT, World, everywhere};

/// A socket and its address.
type Bound = (UdpSocket, SocketAddr);

/// Runs a test in every world with two sockets on either version's loopback address.
fn each_ip(test: fn(World, Bound, Bound)) {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    let bound = |ip: IpAddr| {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    };
    for ip in [v4, v6] {
        if ip == v6 && UdpSocket::bind((v6, 0)).is_err() {
            // Not every machine has it.
            continue;
        }
        everywhere(move |world| test(world, bound(ip), bound(ip)));
    }
}

#[test]
fn bind_error() {
    match UdpSocket::bind("1.1.1.1:9999") {
        Ok(..) => panic!(),
        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrNotAvailable),
    }
}

#[test]
fn socket_smoke_test() {
    each_ip(|world, (server, to), (client, from)| {
        let sender = world.spawn(move || {
            assert_eq!(client.send_to(&[99], to).unwrap(), 1);
            client
        });
        let mut buffer = [0];
        assert_eq!(server.recv_from(&mut buffer).unwrap(), (1, from));
        assert_eq!(buffer[0], 99);
        sender.join();
    });
}

#[test]
fn socket_name_and_peer() {
    each_ip(|_, (server, address), (_, other)| {
        assert_eq!(server.local_addr().unwrap(), address);
        assert_eq!(
            server.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        server.connect(other).unwrap();
        assert_eq!(server.peer_addr().unwrap(), other);
    });
}

#[test]
fn udp_clone_smoke() {
    each_ip(|world, (first, to), (second, from)| {
        let peer = world.spawn(move || {
            let mut buffer = [0, 0];
            assert_eq!(second.recv_from(&mut buffer).unwrap(), (1, to));
            assert_eq!(buffer[0], 1);
            second.send_to(&[2], to).unwrap();
        });
        let third = first.try_clone().unwrap();
        let (go, is_on) = unbounded();
        let (done, is_done) = unbounded();
        let writer = world.spawn(move || {
            is_on.recv().unwrap();
            third.send_to(&[1], from).unwrap();
            done.send(()).unwrap();
        });
        go.send(()).unwrap();
        let mut buffer = [0, 0];
        assert_eq!(first.recv_from(&mut buffer).unwrap(), (1, from));
        is_done.recv().unwrap();
        writer.join();
        peer.join();
    });
}

#[test]
fn udp_clone_two_read() {
    each_ip(|world, (first, to), (second, from)| {
        let (go, is_on) = unbounded();
        let peer = world.spawn(move || {
            second.send_to(&[1], to).unwrap();
            is_on.recv().unwrap();
            second.send_to(&[2], to).unwrap();
            is_on.recv().unwrap();
        });
        let third = first.try_clone().unwrap();
        let (done, is_done) = unbounded();
        let gone = go.clone();
        let reader = world.spawn(move || {
            let mut buffer = [0, 0];
            assert_eq!(third.recv_from(&mut buffer).unwrap(), (1, from));
            gone.send(()).unwrap();
            done.send(()).unwrap();
        });
        let mut buffer = [0, 0];
        assert_eq!(first.recv_from(&mut buffer).unwrap(), (1, from));
        go.send(()).unwrap();
        is_done.recv().unwrap();
        reader.join();
        peer.join();
    });
}

#[test]
fn udp_clone_two_write() {
    each_ip(|world, (first, from), (second, to)| {
        let receiver = world.spawn(move || {
            let mut buffer = [0, 1];
            for _ in 0..2 {
                assert_eq!(second.recv_from(&mut buffer).unwrap(), (1, from));
            }
        });
        let third = first.try_clone().unwrap();
        let writer = world.spawn(move || third.send_to(&[1], to).unwrap());
        first.send_to(&[2], to).unwrap();
        writer.join();
        receiver.join();
    });
}

#[test]
fn debug() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, number) = (socket.local_addr().unwrap(), socket.as_raw_fd());
    let expected = format!("UdpSocket {{ addr: {address}, fd: {number} }}");
    assert_eq!(format!("{socket:?}"), expected);
}

#[test]
fn timeouts() {
    each_ip(|_, (socket, _), _| {
        let duration = Duration::from_millis(15_410);
        assert_eq!(socket.read_timeout().unwrap(), None);
        socket.set_read_timeout(Some(duration)).unwrap();
        assert_eq!(socket.read_timeout().unwrap(), Some(duration));
        assert_eq!(socket.write_timeout().unwrap(), None);
        socket.set_write_timeout(Some(duration)).unwrap();
        assert_eq!(socket.write_timeout().unwrap(), Some(duration));
        socket.set_read_timeout(None).unwrap();
        assert_eq!(socket.read_timeout().unwrap(), None);
        socket.set_write_timeout(None).unwrap();
        assert_eq!(socket.write_timeout().unwrap(), None);
        for error in [
            socket.set_read_timeout(Some(Duration::ZERO)).unwrap_err(),
            socket.set_write_timeout(Some(Duration::ZERO)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn test_read_timeout() {
    each_ip(|_, (socket, _), _| {
        socket.set_read_timeout(Some(SHORT)).unwrap();
        let began = Instant::now();
        let kind = socket.recv_from(&mut [0; 10]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
    });
}

#[test]
fn test_read_with_timeout() {
    each_ip(|_, (socket, address), _| {
        socket.set_read_timeout(Some(SHORT)).unwrap();
        socket.send_to(b"hello world", address).unwrap();
        let mut buffer = [0; 11];
        assert_eq!(socket.recv_from(&mut buffer).unwrap(), (11, address));
        assert_eq!(&buffer, b"hello world");
        let began = Instant::now();
        let kind = socket.recv_from(&mut buffer).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
    });
}

#[test]
fn connect_send_recv() {
    each_ip(|_, (socket, address), _| {
        socket.connect(address).unwrap();
        socket.send(b"hello world").unwrap();
        let mut buffer = [0; 11];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 11);
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn connect_send_peek_recv() {
    each_ip(|_, (socket, address), _| {
        socket.connect(address).unwrap();
        socket.send(b"hello world").unwrap();
        for _ in 1..3 {
            let mut buffer = [0; 11];
            assert_eq!(socket.peek(&mut buffer).unwrap(), 11);
            assert_eq!(&buffer, b"hello world");
        }
        let mut buffer = [0; 11];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 11);
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn peek_from() {
    each_ip(|_, (socket, address), _| {
        socket.send_to(b"hello world", address).unwrap();
        for _ in 1..3 {
            let mut buffer = [0; 11];
            assert_eq!(socket.peek_from(&mut buffer).unwrap(), (11, address));
            assert_eq!(&buffer, b"hello world");
        }
        let mut buffer = [0; 11];
        assert_eq!(socket.recv_from(&mut buffer).unwrap(), (11, address));
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn ttl() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_ttl(100).unwrap();
    assert_eq!(socket.ttl().unwrap(), 100);
}

#[test]
fn set_nonblocking() {
    each_ip(|_, (socket, address), _| {
        socket.set_nonblocking(true).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.connect(address).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.set_nonblocking(true).unwrap();
        match socket.recv(&mut [0]) {
            Ok(_) => panic!("it must not receive"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    });
}
