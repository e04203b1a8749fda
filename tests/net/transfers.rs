//! Bytes on their way.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::sync::Arc;

use greenhub::net::{Shutdown, TcpStream};

use crate::worlds::{Task, World, echo, everywhere, listen, pair, pattern};

#[test]
fn bytes_come_back_from_an_echo() {
    everywhere(|world| {
        let (listener, address) = listen();
        let server = world.spawn(move || echo(listener.accept().unwrap().0));
        let mut stream = TcpStream::connect(address).unwrap();
        for round in 0..200 {
            let sent = pattern(1 + round * 7 % 900);
            stream.write_all(&sent).unwrap();
            let mut received = vec![0; sent.len()];
            stream.read_exact(&mut received).unwrap();
            assert_eq!(sent, received);
        }
        drop(stream);
        server.join();
    });
}

#[test]
fn a_writer_waits_for_a_slow_reader_and_no_byte_is_lost() {
    everywhere(|world| {
        let (mut near, mut far) = pair();
        let writer = world.spawn(move || near.write_all(&pattern(8 << 20)).unwrap());
        let mut received = Vec::new();
        let mut buffer = vec![0; 30_000];
        loop {
            match far.read(&mut buffer).unwrap() {
                0 => break,
                n => received.extend_from_slice(&buffer[..n]),
            }
            if received.len() % 7 == 0 {
                std::thread::yield_now();
            }
        }
        writer.join();
        assert!(received == pattern(8 << 20));
    });
}

#[test]
fn what_is_peeked_at_stays() {
    everywhere(|world| {
        let (near, mut far) = pair();
        let writer = world.spawn(move || far.write_all(b"abc").map(|()| far).unwrap());
        let mut buffer = [0; 8];
        while near.peek(&mut buffer).unwrap() < 3 {}
        assert_eq!(near.peek(&mut buffer[..2]).unwrap(), 2);
        assert_eq!((&near).read(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"abc");
        drop(writer.join());
        assert_eq!(near.peek(&mut buffer).unwrap(), 0);
    });
}

#[test]
fn several_buffers_are_one_transfer() {
    everywhere(|_| {
        let (mut near, mut far) = pair();
        let parts = [&b"one"[..], b"", b"two", b"three"].map(IoSlice::new);
        assert_eq!(near.write_vectored(&parts).unwrap(), 11);
        let (mut first, mut second) = ([0; 4], [0; 9]);
        let mut into = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(far.read_vectored(&mut into).unwrap(), 11);
        assert_eq!((&first, &second[..7]), (b"onet", &b"wothree"[..]));
        // More than the system takes at once.
        let many: Vec<_> = (0..5_000).map(|_| IoSlice::new(b"x")).collect();
        let sent = near.write_vectored(&many).unwrap();
        assert!((1..=5_000).contains(&sent));
        near.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), sent);
    });
}

#[test]
fn a_clone_reads_while_the_other_writes() {
    everywhere(|world| {
        let (listener, address) = listen();
        let server = world.spawn(move || echo(listener.accept().unwrap().0));
        let stream = TcpStream::connect(address).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let writer = world.spawn(move || {
            (&stream).write_all(&pattern(2 << 20)).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        writer.join();
        server.join();
        assert!(received == pattern(2 << 20));
    });
}

#[test]
fn one_socket_serves_a_reader_and_a_writer_at_once() {
    everywhere(|world| {
        let (listener, address) = listen();
        let server = world.spawn(move || echo(listener.accept().unwrap().0));
        let stream = Arc::new(TcpStream::connect(address).unwrap());
        let writer = {
            let stream = Arc::clone(&stream);
            world.spawn(move || {
                (&*stream).write_all(&pattern(2 << 20)).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            })
        };
        let mut received = Vec::new();
        (&*stream).read_to_end(&mut received).unwrap();
        writer.join();
        server.join();
        assert!(received == pattern(2 << 20));
    });
}

#[test]
fn hundreds_of_connections_are_served_at_once() {
    everywhere(|world| {
        let count = if world == World::Threads || world == World::Mixed {
            60
        } else {
            400
        };
        let (listener, address) = listen();
        let server = world.spawn(move || {
            let served: Vec<_> = listener
                .incoming()
                .take(count)
                .map(|stream| {
                    let stream = stream.unwrap();
                    world.spawn(move || echo(stream))
                })
                .collect();
            served.into_iter().for_each(Task::join);
        });
        let clients: Vec<_> = (0..count)
            .map(|n| {
                world.spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    for round in 0..20 {
                        let sent = pattern(1 + (n + round) % 50);
                        stream.write_all(&sent).unwrap();
                        let mut received = vec![0; sent.len()];
                        stream.read_exact(&mut received).unwrap();
                        assert_eq!(sent, received);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(Task::join);
        server.join();
    });
}
