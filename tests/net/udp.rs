//! Datagrams of the internet, beyond what std tests.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use greenhub::net::{SocketAddr, UdpSocket};

use crate::worlds::{Task, everywhere};

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn datagrams_keep_their_borders() {
    everywhere(|world| {
        let ((near, to), (far, from)) = (bound(), bound());
        let sender = world.spawn(move || {
            for datagram in [&b"one"[..], b"", b"three is cut", b"4"] {
                assert_eq!(far.send_to(datagram, to).unwrap(), datagram.len());
            }
            far
        });
        let mut buffer = [0; 5];
        for expected in [&b"one"[..], b"", b"three", b"4"] {
            let (length, peer) = near.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], peer), (expected, from));
        }
        sender.join();
    });
}

#[test]
fn whoever_waits_hears_that_nobody_received() {
    everywhere(|world| {
        let ((near, _), (gone, nowhere)) = (bound(), bound());
        drop(gone);
        near.connect(nowhere).unwrap();
        let near = Arc::new(near);
        let receiver = {
            let near = Arc::clone(&near);
            world.spawn(move || near.recv(&mut [0; 8]).unwrap_err().kind())
        };
        receiver.until_parked();
        // On a thread it may come too early for the receiver, which then hears of the next.
        while near.send(b"x").is_ok() && !receiver.is_finished() {
            greenhub::yield_now();
        }
        near.send(b"x").ok();
        assert_eq!(receiver.join(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn several_receivers_share_one_socket() {
    everywhere(|world| {
        let ((near, to), (far, _)) = (bound(), bound());
        let near = Arc::new(near);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let near = Arc::clone(&near);
                world.spawn(move || {
                    let mut received = 0;
                    loop {
                        let mut word = [0];
                        near.recv(&mut word).unwrap();
                        if word == [0] {
                            return received;
                        }
                        received += 1;
                    }
                })
            })
            .collect();
        // Not more than the kernel keeps for a slow receiver.
        for _ in 0..40 {
            far.send_to(&[1], to).unwrap();
        }
        for _ in 0..4 {
            far.send_to(&[0], to).unwrap();
        }
        let received: i32 = receivers.into_iter().map(Task::join).sum();
        assert_eq!(received, 40);
    });
}

#[test]
fn options_are_the_sockets() {
    let (socket, _) = bound();
    assert!(!socket.broadcast().unwrap());
    socket.set_broadcast(true).unwrap();
    assert!(socket.broadcast().unwrap());
    socket.set_multicast_loop_v4(false).unwrap();
    assert!(!socket.multicast_loop_v4().unwrap());
    socket.set_multicast_ttl_v4(42).unwrap();
    assert_eq!(socket.multicast_ttl_v4().unwrap(), 42);
    assert!(socket.take_error().unwrap().is_none());
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        return;
    };
    socket.set_multicast_loop_v6(false).unwrap();
    assert!(!socket.multicast_loop_v6().unwrap());
}

#[test]
fn groups_are_joined_and_left() {
    let (socket, _) = bound();
    let (group, interface) = (Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::LOCALHOST);
    socket.join_multicast_v4(&group, &interface).unwrap();
    // Twice is one time too many, which shows that the first had an effect.
    let again = socket.join_multicast_v4(&group, &interface).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    socket.leave_multicast_v4(&group, &interface).unwrap();
    let again = socket.leave_multicast_v4(&group, &interface).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrNotAvailable);
    // No group.
    let error = socket.join_multicast_v4(&Ipv4Addr::LOCALHOST, &interface);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        return;
    };
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
    // The loopback interface's number on every Linux; elsewhere, and where it may not, the join is refused.
    if socket.join_multicast_v6(&group, 1).is_ok() {
        socket.leave_multicast_v6(&group, 1).unwrap();
    }
    let error = socket.leave_multicast_v6(&group, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}
