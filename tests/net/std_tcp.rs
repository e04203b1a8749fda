//! std's tests of its TCP sockets, on this crate's: the scenarios of `library/std/src/net/tcp/tests.rs` in the Rust project
//! (MIT or Apache-2.0), written again for greenlets, threads and both. What differs: ports are free ones, channels are this
//! crate's, and nothing is bounded in time but by the limit that catches hangs.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use greenhub::channel::unbounded;
use greenhub::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use crate::worlds::{LONG, Task, World, everywhere};

/// Runs a test in every world with a listener on either version's loopback address.
pub(crate) fn each_ip(test: fn(World, TcpListener, SocketAddr)) {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    for ip in [v4, v6] {
        if ip == v6 && TcpListener::bind((v6, 0)).is_err() {
            // Not every machine has it.
            continue;
        }
        everywhere(move |world| {
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            test(world, listener, address);
        });
    }
}

/// Both ends of a connection to the listener.
pub(crate) fn connected(listener: &TcpListener, address: SocketAddr) -> (TcpStream, TcpStream) {
    let near = TcpStream::connect(address).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn bind_error() {
    match TcpListener::bind("1.1.1.1:9999") {
        Ok(..) => panic!(),
        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrNotAvailable),
    }
}

#[test]
fn connect_error() {
    everywhere(|_| match TcpStream::connect("0.0.0.0:1") {
        Ok(..) => panic!(),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::InvalidInput
                    | ErrorKind::AddrInUse
                    | ErrorKind::AddrNotAvailable
                    | ErrorKind::NetworkUnreachable
            ),
            "{error}"
        ),
    });
}

#[test]
fn listen_localhost() {
    everywhere(|world| {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = world.spawn(move || {
            let mut stream = TcpStream::connect(("localhost", address.port())).unwrap();
            stream.write_all(&[144]).unwrap();
        });
        let mut stream = listener.accept().unwrap().0;
        let mut buffer = [0];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer[0], 144);
        client.join();
    });
}

#[test]
fn connect_loopback() {
    each_ip(|world, listener, address| {
        let client = world.spawn(move || {
            let host = if address.is_ipv6() {
                "::1"
            } else {
                "127.0.0.1"
            };
            let mut stream = TcpStream::connect((host, address.port())).unwrap();
            stream.write_all(&[66]).unwrap();
        });
        let mut stream = listener.accept().unwrap().0;
        let mut buffer = [0];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer[0], 66);
        client.join();
    });
}

#[test]
fn smoke_test() {
    each_ip(|world, listener, address| {
        let (sender, receiver) = unbounded();
        let client = world.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[99]).unwrap();
            sender.send(stream.local_addr().unwrap()).unwrap();
        });
        let (mut stream, peer) = listener.accept().unwrap();
        let mut buffer = [0];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer[0], 99);
        assert_eq!(peer, receiver.recv().unwrap());
        client.join();
    });
}

#[test]
fn read_eof() {
    each_ip(|world, listener, address| {
        // Closes at once.
        let client = world.spawn(move || drop(TcpStream::connect(address).unwrap()));
        let mut stream = listener.accept().unwrap().0;
        let mut buffer = [0];
        assert_eq!(stream.read(&mut buffer).unwrap(), 0);
        assert_eq!(stream.read(&mut buffer).unwrap(), 0);
        client.join();
    });
}

#[test]
fn write_close() {
    each_ip(|world, listener, address| {
        let (sender, receiver) = unbounded();
        let client = world.spawn(move || {
            drop(TcpStream::connect(address).unwrap());
            sender.send(()).unwrap();
        });
        let mut stream = listener.accept().unwrap().0;
        receiver.recv().unwrap();
        match stream.write(&[0]) {
            Ok(..) => {}
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset
                        | ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionAborted
                ),
                "{error}"
            ),
        }
        client.join();
    });
}

#[test]
fn multiple_connect_serial() {
    each_ip(|world, listener, address| {
        let max = 10;
        let client = world.spawn(move || {
            for _ in 0..max {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&[99]).unwrap();
            }
        });
        for stream in listener.incoming().take(max) {
            let mut buffer = [0];
            stream.unwrap().read_exact(&mut buffer).unwrap();
            assert_eq!(buffer[0], 99);
        }
        client.join();
    });
}

/// Connects `n` times, each from an activity that the one before has spawned, and writes once `greedy` says so.
fn connect_one_after_the_other(world: World, address: SocketAddr, n: u8, greedy: bool) {
    if n == 0 {
        return;
    }
    let next = world.spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        if !greedy {
            connect_one_after_the_other(world, address, n - 1, greedy);
            stream.write_all(&[99]).unwrap();
        } else {
            stream.write_all(&[n]).unwrap();
            connect_one_after_the_other(world, address, n - 1, greedy);
        }
    });
    next.join();
}

#[test]
fn multiple_connect_interleaved_greedy_schedule() {
    each_ip(|world, listener, address| {
        const MAX: u8 = 10;
        let acceptor = world.spawn(move || {
            let served: Vec<_> = listener
                .incoming()
                .take(usize::from(MAX))
                .map(|stream| {
                    world.spawn(move || {
                        let mut buffer = [0];
                        stream.unwrap().read_exact(&mut buffer).unwrap();
                        buffer[0]
                    })
                })
                .collect();
            let mut bytes: Vec<_> = served.into_iter().map(Task::join).collect();
            bytes.sort_unstable();
            assert_eq!(bytes, (1..=MAX).collect::<Vec<_>>());
        });
        connect_one_after_the_other(world, address, MAX, true);
        acceptor.join();
    });
}

#[test]
fn multiple_connect_interleaved_lazy_schedule() {
    each_ip(|world, listener, address| {
        const MAX: u8 = 10;
        let acceptor = world.spawn(move || {
            let served: Vec<_> = listener
                .incoming()
                .take(usize::from(MAX))
                .map(|stream| {
                    world.spawn(move || {
                        let mut buffer = [0];
                        stream.unwrap().read_exact(&mut buffer).unwrap();
                        assert_eq!(buffer[0], 99);
                    })
                })
                .collect();
            served.into_iter().for_each(Task::join);
        });
        connect_one_after_the_other(world, address, MAX, false);
        acceptor.join();
    });
}

#[test]
fn socket_and_peer_name() {
    each_ip(|world, listener, address| {
        assert_eq!(listener.local_addr().unwrap(), address);
        let acceptor = world.spawn(move || listener.accept().unwrap());
        let stream = TcpStream::connect(address).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let (_far, peer) = acceptor.join();
        assert_eq!(peer, stream.local_addr().unwrap());
    });
}

#[test]
fn partial_read() {
    each_ip(|world, listener, address| {
        let (sender, receiver) = unbounded();
        let server = world.spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(&[10]).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            sender.send(()).unwrap();
        });
        let mut stream = TcpStream::connect(address).unwrap();
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer).unwrap(), 1);
        stream.write_all(&[1]).unwrap();
        receiver.recv().unwrap();
        server.join();
    });
}

#[test]
fn read_vectored() {
    each_ip(|_, listener, address| {
        let (mut near, mut far) = connected(&listener, address);
        near.write_all(&[10, 11, 12]).unwrap();
        let (mut first, mut second, mut third) = ([], [0], [0; 3]);
        let mut buffers = [
            IoSliceMut::new(&mut first),
            IoSliceMut::new(&mut second),
            IoSliceMut::new(&mut third),
        ];
        // The bytes may come one by one in theory; not on loopback.
        assert_eq!(far.read_vectored(&mut buffers).unwrap(), 3);
        assert_eq!((second, third), ([10], [11, 12, 0]));
    });
}

#[test]
fn write_vectored() {
    each_ip(|_, listener, address| {
        let (mut near, mut far) = connected(&listener, address);
        let buffers = [&[][..], &[10], &[11, 12]].map(IoSlice::new);
        assert_eq!(near.write_vectored(&buffers).unwrap(), 3);
        let mut received = [0; 4];
        assert_eq!(far.read(&mut received).unwrap(), 3);
        assert_eq!(received, [10, 11, 12, 0]);
    });
}

#[test]
fn double_bind() {
    each_ip(|_, _listener, address| match TcpListener::bind(address) {
        Ok(..) => panic!(),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::Other | ErrorKind::AddrInUse
            ),
            "{error}"
        ),
    });
}

#[test]
fn connect_timeout_valid() {
    each_ip(|_, _listener, address| {
        TcpStream::connect_timeout(&address, LONG).unwrap();
    });
}

#[test]
fn connect_timeout_error() {
    everywhere(|_| {
        let address = SocketAddr::from(([0, 0, 0, 0], 1));
        let error = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpStream::connect_timeout(&address, LONG).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable
            ),
            "{error}"
        );
    });
}
