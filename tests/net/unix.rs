//! Unix sockets, beyond what std tests: above all the two waits that no event ends.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use greenhub::net::unix::{UnixDatagram, UnixStream};

use crate::worlds::{
    Folder, LONG, SHORT, Task, World, everywhere, full_listener, pattern, until_parked,
    until_parked_in, within,
};

/// Seen to fail when the connection is tried once.
#[test]
fn connecting_waits_for_a_listener_whose_backlog_is_full() {
    everywhere(|world| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let (listener, waiting) = full_listener(&path);
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let path = path.clone();
                world.spawn(move || UnixStream::connect(path).unwrap())
            })
            .collect();
        for client in &clients {
            client.until_parked_in("connect");
        }
        let accepted: Vec<_> = (0..waiting.len() + clients.len())
            .map(|_| listener.accept().unwrap().0)
            .collect();
        let clients: Vec<_> = clients.into_iter().map(Task::join).collect();
        for client in &clients {
            (&*client).write_all(b"x").unwrap();
        }
        drop((clients, waiting));
        let received: usize = accepted
            .into_iter()
            .map(|mut stream| stream.read_to_end(&mut Vec::new()).unwrap())
            .sum();
        assert_eq!(received, 3);
    });
}

#[test]
fn connecting_to_a_full_listener_ends_when_it_goes_and_can_be_broken_off() {
    everywhere(|world| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let (listener, waiting) = full_listener(&path);
        let late = greenhub::timeout(SHORT, || UnixStream::connect(&path));
        assert!(late.is_err());
        let client = world.spawn(move || UnixStream::connect(path).unwrap_err().kind());
        client.until_parked_in("connect");
        drop(listener);
        assert_eq!(client.join(), ErrorKind::ConnectionRefused);
        drop(waiting);
    });
}

/// Sends until the receiver wants no more, and says how many datagrams that took.
fn fill(send: impl Fn(&[u8]) -> std::io::Result<usize>) -> u32 {
    let mut sent = 0_u32;
    loop {
        match send(&sent.to_ne_bytes()) {
            Ok(_) => sent += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return sent;
            }
        }
    }
}

fn receive_in_order(receiver: &UnixDatagram, count: u32) {
    for expected in 0..count {
        let mut number = [0; 4];
        receiver.recv(&mut number).unwrap();
        assert_eq!(u32::from_ne_bytes(number), expected);
    }
}

/// Connected or not, on a pair or not: in each case another part of the kernel says that there is no room.
#[test]
fn sending_waits_for_a_receiver_that_is_slow_and_no_datagram_is_lost() {
    everywhere(|world| {
        for case in ["a pair", "connected", "with the address"] {
            let folder = Folder::new();
            let path = folder.join("sock");
            let (receiver, sender) = if case == "a pair" {
                UnixDatagram::pair().unwrap()
            } else {
                let receiver = UnixDatagram::bind(&path).unwrap();
                (receiver, UnixDatagram::unbound().unwrap())
            };
            if case == "connected" {
                sender.connect(&path).unwrap();
            }
            let sending = world.spawn(move || {
                for number in 0_u32..2_000 {
                    let datagram = number.to_ne_bytes();
                    let sent = if case == "with the address" {
                        sender.send_to(&datagram, &path)
                    } else {
                        sender.send(&datagram)
                    };
                    assert_eq!(sent.unwrap(), 4);
                }
            });
            sending.until_parked_in("write");
            receive_in_order(&receiver, 2_000);
            sending.join();
        }
    });
}

#[test]
fn a_write_timeout_bounds_the_wait_for_a_slow_receiver() {
    everywhere(|_: World| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        let sent = fill(|datagram| sender.send_to(datagram, &path));
        sender.set_nonblocking(false).unwrap();
        sender.set_write_timeout(Some(SHORT)).unwrap();
        let began = Instant::now();
        let error = sender.send_to(b"x", &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
        receive_in_order(&receiver, sent);
        // Nothing was sent that is reported as not sent.
        receiver.set_nonblocking(true).unwrap();
        let error = receiver.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_stream_waits_for_its_slow_reader() {
    everywhere(|world| {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let writer = world.spawn(move || near.write_all(&pattern(4 << 20)).unwrap());
        writer.until_parked_in("write");
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        writer.join();
        assert!(received == pattern(4 << 20));
    });
}

#[test]
fn shutdown_wakes_whoever_waits() {
    everywhere(|world| {
        let (near, _far) = UnixStream::pair().unwrap();
        let near = Arc::new(near);
        let reader = {
            let near = Arc::clone(&near);
            world.spawn(move || (&*near).read(&mut [0; 8]).unwrap())
        };
        reader.until_parked();
        near.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(reader.join(), 0);
        assert_eq!(
            (&*near).write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

/// Seen to fail when the end was left to the system, which tells it only to calls that may block: the receiver waited for ever.
#[test]
fn a_datagram_socket_that_was_shut_down_gives_what_was_there_and_then_nothing() {
    everywhere(|world| {
        let (near, _far) = UnixDatagram::pair().unwrap();
        let near = Arc::new(near);
        let receiver = {
            let near = Arc::clone(&near);
            world.spawn(move || near.recv(&mut [0; 8]).unwrap())
        };
        receiver.until_parked();
        near.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(receiver.join(), 0);

        let (near, far) = UnixDatagram::pair().unwrap();
        far.send(b"last").unwrap();
        near.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(near.recv(&mut [0; 8]).unwrap(), 4);
        let (length, from) = near.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((length, from.is_unnamed()), (0, true));
        near.set_nonblocking(true).unwrap();
        let error = near.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_killed_client_of_a_full_listener_takes_no_place() {
    let scenario = || {
        greenhub::run(|| {
            let folder = Folder::new();
            let path = folder.join("sock");
            let (listener, waiting) = full_listener(&path);
            let killed = {
                let path = path.clone();
                greenhub::spawn(move || UnixStream::connect(path).map(drop))
            };
            until_parked_in(&killed, "connect");
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
            for _ in &waiting {
                listener.accept().unwrap();
            }
            let next = greenhub::spawn(move || listener.accept().map(drop));
            until_parked(&next);
            UnixStream::connect(&path).unwrap();
            next.join().unwrap().unwrap();
        })
    };
    within(LONG, scenario, "a killed client");
}
