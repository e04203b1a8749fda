//! What moves nothing: as std's does, on each kind of socket. Each script is run with std's socket and with ours.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use greenhub::net::{Source, TcpStream, UdpSocket, unix};

use crate::worlds::{SHORT, everywhere, pair};

/// What a call came to.
fn outcome<T: Debug>(result: io::Result<T>) -> String {
    result.map_or_else(
        |error| format!("{:?}", error.kind()),
        |value| format!("{value:?}"),
    )
}

/// A stream's calls with nothing to move: idle, with bytes to read, full, ended.
macro_rules! stream_script {
    ($near:expr, $far:expr) => {{
        let (near, far) = ($near, $far);
        near.set_read_timeout(Some(SHORT)).unwrap();
        near.set_write_timeout(Some(SHORT)).unwrap();
        let mut log = Vec::new();
        let mut calls = |state: &str| {
            let mut call =
                |what: &str, result| log.push(format!("{state}, {what}: {}", outcome(result)));
            call("read", (&near).read(&mut []));
            call("read_vectored", (&near).read_vectored(&mut []));
            call(
                "read_vectored of empties",
                (&near).read_vectored(&mut [IoSliceMut::new(&mut [])]),
            );
            call("write", (&near).write(&[]));
            call("write_vectored", (&near).write_vectored(&[]));
            call(
                "write_vectored of empties",
                (&near).write_vectored(&[IoSlice::new(&[])]),
            );
        };
        // Ours is registered by this.
        assert!((&near).read(&mut [0]).is_err());
        calls("idle");
        (&far).write_all(b"abc").unwrap();
        calls("with bytes");
        assert_eq!((&near).read(&mut [0; 8]).unwrap(), 3);
        while (&near).write(&[0; 65_536]).is_ok() {}
        calls("full");
        far.shutdown(std::net::Shutdown::Both).unwrap();
        while matches!((&near).read(&mut [0; 8]), Ok(1..)) {}
        calls("ended");
        log
    }};
}

/// The calls of a socket of datagrams that is connected to another.
macro_rules! datagram_script {
    ($near:expr, $far:expr) => {{
        let (near, far) = ($near, $far);
        near.set_read_timeout(Some(SHORT)).unwrap();
        let mut log = vec![outcome(near.recv(&mut [])), outcome(near.recv(&mut [0; 8]))];
        far.send(b"").unwrap();
        far.send(b"abc").unwrap();
        far.send(b"").unwrap();
        far.send(b"de").unwrap();
        log.push(outcome(near.recv(&mut [0; 8])));
        // What does not fit is lost.
        log.push(outcome(near.recv(&mut [])));
        log.push(outcome(near.recv_from(&mut []).map(|(length, _)| length)));
        log.push(outcome(
            near.recv_from(&mut [0; 8]).map(|(length, _)| length),
        ));
        log.push(outcome(near.recv(&mut [])));
        log
    }};
}

macro_rules! udp_pair {
    ($Socket:ty) => {{
        let [near, far] = [(); 2].map(|()| <$Socket>::bind("127.0.0.1:0").unwrap());
        near.connect(far.local_addr().unwrap()).unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        (near, far)
    }};
}

fn std_tcp_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Of a read for nothing that waits until its time is up, Linux says with std's that it has read nothing, as if it had not
/// waited. Ours has timed out, as a Unix socket's.
#[test]
fn tcp_streams_move_nothing_as_stds_do() {
    everywhere(|_| {
        let (near, far) = std_tcp_pair();
        let stds = stream_script!(near, far);
        let (near, far): (TcpStream, TcpStream) = pair();
        for (ours, stds) in stream_script!(near, far).into_iter().zip(stds) {
            match &*ours {
                "idle, read: WouldBlock" | "full, read: WouldBlock" => {}
                _ => assert_eq!(ours, stds),
            }
        }
    });
}

#[test]
fn unix_streams_move_nothing_as_stds_do() {
    everywhere(|_| {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let stds = stream_script!(near, far);
        let (near, far) = unix::UnixStream::pair().unwrap();
        assert_eq!(stream_script!(near, far), stds);
    });
}

#[test]
fn datagrams_of_no_bytes_are_sent_and_received_as_stds_are() {
    everywhere(|_| {
        let (near, far) = udp_pair!(std::net::UdpSocket);
        let stds = datagram_script!(near, far);
        let (near, far) = udp_pair!(UdpSocket);
        assert_eq!(datagram_script!(near, far), stds);
        assert_eq!(stds[2..], ["0", "0", "0", "2", "WouldBlock"]);

        let (near, far) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let stds = datagram_script!(near, far);
        let (near, far) = unix::UnixDatagram::pair().unwrap();
        assert_eq!(datagram_script!(near, far), stds);
    });
}

#[test]
fn a_peek_without_room_waits_as_stds_does_and_takes_nothing() {
    everywhere(|_| {
        let (near, far) = udp_pair!(UdpSocket);
        near.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(outcome(near.peek(&mut [])), "WouldBlock");
        far.send(b"abc").unwrap();
        assert_eq!(outcome(near.peek(&mut [])), "0");
        assert_eq!(outcome(near.recv(&mut [0; 8])), "3");

        let (near, far) = pair();
        near.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(outcome(near.peek(&mut [])), "WouldBlock");
        (&far).write_all(b"abc").unwrap();
        while near.peek(&mut [0; 8]).unwrap() < 3 {}
        assert_eq!(outcome(near.peek(&mut [])), "0");
        assert_eq!(outcome((&near).read(&mut [0; 8])), "3");
    });
}

/// A file's do not wait for bytes: neither does a source's, whatever is known of the pipe.
#[test]
fn a_source_moves_nothing_as_what_it_is_made_of_does() {
    everywhere(|_| {
        let (near, far) = std::io::pipe()
            .map(|(near, far)| (OwnedFd::from(near), OwnedFd::from(far)))
            .unwrap();
        let (near, far) = (
            Source::new(File::from(near)).unwrap(),
            Source::new(File::from(far)).unwrap(),
        );
        assert!(!near.readable_timeout(SHORT).unwrap());
        let within = |f: &dyn Fn() -> io::Result<usize>| {
            greenhub::timeout(Duration::from_secs(5), f).expect("it waits")
        };
        assert_eq!(outcome(within(&|| (&near).read(&mut []))), "0");
        assert_eq!(outcome(within(&|| (&near).read_vectored(&mut []))), "0");
        // No room is left.
        assert!(greenhub::timeout(SHORT, || (&far).write_all(&vec![0; 1 << 20])).is_err());
        assert_eq!(outcome(within(&|| (&far).write(&[]))), "0");
        assert_eq!(outcome(within(&|| (&far).write_vectored(&[]))), "0");
        within(&|| (&far).flush().map(|()| 0)).unwrap();
    });
}
