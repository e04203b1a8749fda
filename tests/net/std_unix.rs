//! std's tests of its Unix sockets, on this crate's: the scenarios of `library/std/src/os/unix/net/tests.rs` in the Rust
//! project (MIT or Apache-2.0), written again for greenlets, threads and both. What differs is what `std_tcp.rs` says.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::time::{Duration, Instant};

use greenhub::net::unix::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use crate::worlds::{Folder, SHORT, everywhere};

#[test]
fn basic() {
    everywhere(|world| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = world.spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut buffer = [0; 5];
            stream.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"hello");
            stream.write_all(b"world!").unwrap();
        });
        let mut stream = UnixStream::connect(&path).unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
        stream.write_all(b"hello").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"world!");
        drop(stream);
        server.join();
    });
}

#[test]
fn vectored() {
    everywhere(|_| {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let parts = [&b"hello"[..], b" ", b"world!"].map(IoSlice::new);
        assert_eq!(near.write_vectored(&parts).unwrap(), 12);
        let (mut first, mut second) = ([0; 6], [0; 7]);
        let mut into = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(far.read_vectored(&mut into).unwrap(), 12);
        assert_eq!((&first, &second), (b"hello ", b"world!\0"));
    });
}

#[test]
fn pair() {
    everywhere(|world| {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let peer = world.spawn(move || {
            let mut buffer = [0; 5];
            far.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"hello");
            far.write_all(b"world!").unwrap();
        });
        near.write_all(b"hello").unwrap();
        let mut text = Vec::new();
        near.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"world!");
        assert!(near.local_addr().unwrap().is_unnamed());
        assert!(near.peer_addr().unwrap().is_unnamed());
        peer.join();
    });
}

#[test]
fn try_clone() {
    everywhere(|world| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = world.spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"hello").unwrap();
            stream.write_all(b"world").unwrap();
        });
        let mut stream = UnixStream::connect(&path).unwrap();
        let mut clone = stream.try_clone().unwrap();
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello");
        clone.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"world");
        server.join();
    });
}

#[test]
fn iter() {
    everywhere(|world| {
        let folder = Folder::new();
        let path = folder.join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = world.spawn(move || {
            for stream in listener.incoming().take(2) {
                stream.unwrap().read_exact(&mut [0]).unwrap();
            }
        });
        for _ in 0..2 {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(&[0]).unwrap();
        }
        server.join();
    });
}

#[test]
fn long_path() {
    let folder = Folder::new();
    let path = folder.join(&"asdf".repeat(40));
    let kinds = [
        UnixStream::connect(&path).unwrap_err().kind(),
        UnixListener::bind(&path).unwrap_err().kind(),
        UnixDatagram::bind(&path).unwrap_err().kind(),
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"x", &path)
            .unwrap_err()
            .kind(),
    ];
    assert_eq!(kinds, [ErrorKind::InvalidInput; 4]);
}

#[test]
fn timeouts() {
    everywhere(|_| {
        let (stream, _far) = UnixStream::pair().unwrap();
        let duration = Duration::from_millis(15_410);
        assert_eq!(stream.read_timeout().unwrap(), None);
        stream.set_read_timeout(Some(duration)).unwrap();
        assert_eq!(stream.read_timeout().unwrap(), Some(duration));
        assert_eq!(stream.write_timeout().unwrap(), None);
        stream.set_write_timeout(Some(duration)).unwrap();
        assert_eq!(stream.write_timeout().unwrap(), Some(duration));
        stream.set_read_timeout(None).unwrap();
        assert_eq!(stream.read_timeout().unwrap(), None);
        stream.set_write_timeout(None).unwrap();
        assert_eq!(stream.write_timeout().unwrap(), None);
    });
}

#[test]
fn timeout_zero_duration() {
    let (stream, _far) = UnixStream::pair().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let zero = Some(Duration::ZERO);
    let kinds = [
        stream.set_read_timeout(zero).unwrap_err().kind(),
        stream.set_write_timeout(zero).unwrap_err().kind(),
        socket.set_read_timeout(zero).unwrap_err().kind(),
        socket.set_write_timeout(zero).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::InvalidInput; 4]);
}

#[test]
fn test_read_timeout() {
    everywhere(|_| {
        let folder = Folder::new();
        let _listener = UnixListener::bind(folder.join("sock")).unwrap();
        let mut stream = UnixStream::connect(folder.join("sock")).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let began = Instant::now();
        let kind = stream.read_exact(&mut [0; 10]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
    });
}

#[test]
fn test_read_with_timeout() {
    everywhere(|_| {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.join("sock")).unwrap();
        let mut stream = UnixStream::connect(folder.join("sock")).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let mut other = listener.accept().unwrap().0;
        other.write_all(b"hello world").unwrap();
        let mut buffer = [0; 11];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello world");
        let began = Instant::now();
        let kind = stream.read_exact(&mut buffer).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
    });
}

#[test]
fn test_unix_datagram() {
    everywhere(|_| {
        let folder = Folder::new();
        let first = UnixDatagram::bind(folder.join("sock1")).unwrap();
        let second = UnixDatagram::bind(folder.join("sock2")).unwrap();
        first.send_to(b"hello world", folder.join("sock2")).unwrap();
        let mut buffer = [0; 11];
        let (length, from) = second.recv_from(&mut buffer).unwrap();
        assert_eq!(length, 11);
        assert_eq!(from.as_pathname(), Some(&*folder.join("sock1")));
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn test_unnamed_unix_datagram() {
    everywhere(|_| {
        let folder = Folder::new();
        let first = UnixDatagram::bind(folder.join("sock1")).unwrap();
        let second = UnixDatagram::unbound().unwrap();
        second
            .send_to(b"hello world", folder.join("sock1"))
            .unwrap();
        let mut buffer = [0; 11];
        let (length, from) = first.recv_from(&mut buffer).unwrap();
        assert_eq!(length, 11);
        assert!(from.is_unnamed());
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn test_unix_datagram_connect_to_recv_addr() {
    everywhere(|_| {
        let folder = Folder::new();
        let first = UnixDatagram::bind(folder.join("sock1")).unwrap();
        let second = UnixDatagram::bind(folder.join("sock2")).unwrap();
        second
            .send_to(b"hello world", folder.join("sock1"))
            .unwrap();
        let mut buffer = [0; 11];
        let (_, from) = first.recv_from(&mut buffer).unwrap();
        // The address is good for an answer.
        first.connect_addr(&from).unwrap();
        first.send(b"hello back!").unwrap();
        second.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello back!");
    });
}

#[test]
fn test_connect_unix_datagram() {
    everywhere(|_| {
        let folder = Folder::new();
        let (path1, path2) = (folder.join("sock1"), folder.join("sock2"));
        let receiver1 = UnixDatagram::bind(&path1).unwrap();
        let receiver2 = UnixDatagram::bind(&path2).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path1).unwrap();
        sender.send(b"hello ").unwrap();
        let mut buffer = [0; 6];
        assert_eq!(receiver1.recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer, b"hello ");
        // Elsewhere, although it is connected.
        sender.send_to(b"world!", &path2).unwrap();
        assert_eq!(receiver2.recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer, b"world!");
        // And connected elsewhere.
        sender.connect(&path2).unwrap();
        sender.send(b"again.").unwrap();
        assert_eq!(receiver2.recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer, b"again.");
    });
}

#[test]
fn test_unix_datagram_recv() {
    everywhere(|_| {
        let folder = Folder::new();
        let receiver = UnixDatagram::bind(folder.join("sock1")).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender
            .send_to(b"hello world", folder.join("sock1"))
            .unwrap();
        let mut buffer = [0; 11];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 11);
        assert_eq!(&buffer, b"hello world");
    });
}

#[test]
fn datagram_pair() {
    everywhere(|world| {
        let (near, far) = UnixDatagram::pair().unwrap();
        let peer = world.spawn(move || {
            let mut buffer = [0; 5];
            assert_eq!(far.recv(&mut buffer).unwrap(), 5);
            assert_eq!(&buffer, b"hello");
            far.send(b"world!").unwrap();
        });
        near.send(b"hello").unwrap();
        let mut buffer = [0; 6];
        assert_eq!(near.recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer, b"world!");
        peer.join();
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod names {
    use super::*;
    use std::os::linux::net::SocketAddrExt;

    /// A name that no other test has.
    fn name(what: &str) -> Vec<u8> {
        let folder = Folder::new();
        let path = folder.join(what).into_os_string();
        path.into_encoded_bytes()
    }

    #[test]
    fn abstract_stream_connect() {
        everywhere(|world| {
            let name = name("connect");
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            let listener = UnixListener::bind_addr(&address).unwrap();
            let local = listener.local_addr().unwrap();
            assert_eq!(local.as_abstract_name(), Some(&*name));
            let server = world.spawn(move || {
                let mut stream = listener.accept().unwrap().0;
                let mut buffer = [0; 5];
                stream.read_exact(&mut buffer).unwrap();
                stream.write_all(&buffer).unwrap();
            });
            let mut stream = UnixStream::connect_addr(&address).unwrap();
            let peer = stream.peer_addr().unwrap();
            assert_eq!(peer.as_abstract_name(), Some(&*name));
            stream.write_all(b"hello").unwrap();
            let mut buffer = [0; 5];
            stream.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"hello");
            server.join();
        });
    }

    #[test]
    fn abstract_datagram_bind_send_to_addr() {
        everywhere(|_| {
            let address1 = SocketAddr::from_abstract_name(name("one")).unwrap();
            let first = UnixDatagram::bind_addr(&address1).unwrap();
            let address2 = SocketAddr::from_abstract_name(name("two")).unwrap();
            let second = UnixDatagram::bind_addr(&address2).unwrap();
            first.send_to_addr(b"hello world", &address2).unwrap();
            let mut buffer = [0; 11];
            let (length, from) = second.recv_from(&mut buffer).unwrap();
            assert_eq!(length, 11);
            assert_eq!(from.as_abstract_name(), address1.as_abstract_name());
            assert!(!from.is_unnamed() && from.as_pathname().is_none());
            assert_eq!(&buffer, b"hello world");
        });
    }

    #[test]
    fn abstract_datagram_connect_addr() {
        everywhere(|_| {
            let address = SocketAddr::from_abstract_name(name("three")).unwrap();
            let receiver = UnixDatagram::bind_addr(&address).unwrap();
            let sender = UnixDatagram::unbound().unwrap();
            sender.connect_addr(&address).unwrap();
            sender.send(b"hello").unwrap();
            let mut buffer = [0; 5];
            let (length, from) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!(length, 5);
            assert!(from.is_unnamed());
        });
    }
}
