//! More of std's tests of its TCP sockets: clones, closing, timeouts and options. See `std_tcp.rs`.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use greenhub::channel::{bounded, unbounded};
use greenhub::net::{Shutdown, TcpStream};

use crate::std_tcp::{connected, each_ip};
use crate::worlds::{SHORT, Task};

#[test]
fn tcp_clone_smoke() {
    each_ip(|world, listener, address| {
        let client = world.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut buffer = [0, 0];
            assert_eq!(stream.read(&mut buffer).unwrap(), 1);
            assert_eq!(buffer[0], 1);
            stream.write_all(&[2]).unwrap();
        });
        let mut first = listener.accept().unwrap().0;
        let mut second = first.try_clone().unwrap();
        let (go, is_on) = unbounded();
        let (done, is_done) = unbounded();
        let writer = world.spawn(move || {
            is_on.recv().unwrap();
            second.write_all(&[1]).unwrap();
            done.send(()).unwrap();
        });
        go.send(()).unwrap();
        let mut buffer = [0, 0];
        assert_eq!(first.read(&mut buffer).unwrap(), 1);
        is_done.recv().unwrap();
        writer.join();
        client.join();
    });
}

#[test]
fn tcp_clone_two_read() {
    each_ip(|world, listener, address| {
        let (go, is_on) = unbounded();
        let client = world.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[1]).unwrap();
            is_on.recv().unwrap();
            stream.write_all(&[2]).unwrap();
            is_on.recv().unwrap();
        });
        let mut first = listener.accept().unwrap().0;
        let mut second = first.try_clone().unwrap();
        let (done, is_done) = unbounded();
        let gone = go.clone();
        let reader = world.spawn(move || {
            let mut buffer = [0, 0];
            assert_eq!(second.read(&mut buffer).unwrap(), 1);
            gone.send(()).unwrap();
            done.send(()).unwrap();
        });
        let mut buffer = [0, 0];
        assert_eq!(first.read(&mut buffer).unwrap(), 1);
        go.send(()).unwrap();
        is_done.recv().unwrap();
        reader.join();
        client.join();
    });
}

#[test]
fn tcp_clone_two_write() {
    each_ip(|world, listener, address| {
        let client = world.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut buffer = [0, 1];
            stream.read_exact(&mut buffer).unwrap();
        });
        let mut first = listener.accept().unwrap().0;
        let mut second = first.try_clone().unwrap();
        let writer = world.spawn(move || second.write_all(&[1]).unwrap());
        first.write_all(&[2]).unwrap();
        writer.join();
        client.join();
    });
}

#[test]
fn shutdown_smoke() {
    each_ip(|world, listener, address| {
        let server = world.spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut buffer = [0, 0];
            assert_eq!(stream.read(&mut buffer).unwrap(), 0);
            stream.write_all(&[1]).unwrap();
        });
        let mut stream = TcpStream::connect(address).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(stream.write(&[1]).is_err());
        let mut buffer = [0, 0];
        assert_eq!(stream.read(&mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], 1);
        server.join();
    });
}

#[test]
fn close_readwrite_smoke() {
    each_ip(|world, listener, address| {
        let (ends, has_ended) = bounded::<()>(0);
        let server = world.spawn(move || {
            let _stream = listener.accept().unwrap().0;
            let _ = has_ended.recv();
        });
        let mut near = TcpStream::connect(address).unwrap();
        let mut clone = near.try_clone().unwrap();
        // A half that is closed is so for both.
        near.shutdown(Shutdown::Write).unwrap();
        assert!(near.write(&[0]).is_err());
        near.shutdown(Shutdown::Read).unwrap();
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        assert!(clone.write(&[0]).is_err());
        assert_eq!(clone.read(&mut [0]).unwrap(), 0);
        let mut again = near.try_clone().unwrap();
        assert!(again.write(&[0]).is_err());
        assert_eq!(again.read(&mut [0]).unwrap(), 0);
        // And closing twice does no harm.
        let _ = near.shutdown(Shutdown::Read);
        drop(ends);
        server.join();
    });
}

#[test]
fn close_read_wakes_up() {
    each_ip(|world, listener, address| {
        let (near, _far) = connected(&listener, address);
        let clone = near.try_clone().unwrap();
        let reader = world.spawn(move || {
            assert_eq!((&clone).read(&mut [0]).unwrap(), 0);
        });
        reader.until_parked();
        near.shutdown(Shutdown::Read).unwrap();
        reader.join();
    });
}

#[test]
fn clone_while_reading() {
    each_ip(|world, listener, address| {
        let (near, mut far) = connected(&listener, address);
        let (first, second) = (near.try_clone().unwrap(), near.try_clone().unwrap());
        let (done, is_done) = unbounded();
        let again = done.clone();
        let reader = world.spawn(move || {
            assert_eq!((&first).read(&mut [0]).unwrap(), 1);
            done.send(()).unwrap();
        });
        reader.until_parked();
        // Cloned while another handle reads.
        let cloner = world.spawn(move || {
            drop(second.try_clone().unwrap());
            again.send(()).unwrap();
        });
        is_done.recv().unwrap();
        far.write_all(&[1]).unwrap();
        is_done.recv().unwrap();
        cloner.join();
        reader.join();
    });
}

#[test]
fn clone_accept_smoke() {
    each_ip(|world, listener, address| {
        let clone = listener.try_clone().unwrap();
        let clients: Vec<_> = (0..2)
            .map(|_| world.spawn(move || drop(TcpStream::connect(address).unwrap())))
            .collect();
        listener.accept().unwrap();
        clone.accept().unwrap();
        clients.into_iter().for_each(Task::join);
    });
}

#[test]
fn clone_accept_concurrent() {
    each_ip(|world, listener, address| {
        let clone = listener.try_clone().unwrap();
        let acceptors =
            [listener, clone].map(|listener| world.spawn(move || drop(listener.accept().unwrap())));
        let clients: Vec<_> = (0..2)
            .map(|_| world.spawn(move || drop(TcpStream::connect(address).unwrap())))
            .collect();
        acceptors.into_iter().for_each(Task::join);
        clients.into_iter().for_each(Task::join);
    });
}

#[test]
fn timeouts() {
    each_ip(|_, listener, address| {
        let (stream, _far) = connected(&listener, address);
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
        // What std says of a timeout of zero.
        for error in [
            stream.set_read_timeout(Some(Duration::ZERO)).unwrap_err(),
            stream.set_write_timeout(Some(Duration::ZERO)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), "cannot set a 0 duration timeout");
        }
    });
}

#[test]
fn test_read_timeout() {
    each_ip(|_, listener, address| {
        let (mut stream, _far) = connected(&listener, address);
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let began = Instant::now();
        let kind = stream.read_exact(&mut [0; 10]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(began.elapsed() >= SHORT);
    });
}

#[test]
fn test_read_with_timeout() {
    each_ip(|_, listener, address| {
        let (mut stream, mut far) = connected(&listener, address);
        stream.set_read_timeout(Some(SHORT)).unwrap();
        far.write_all(b"hello world").unwrap();
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
fn nodelay_and_ttl() {
    each_ip(|_, listener, address| {
        let (stream, _far) = connected(&listener, address);
        assert!(!stream.nodelay().unwrap());
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        stream.set_nodelay(false).unwrap();
        assert!(!stream.nodelay().unwrap());
        if address.is_ipv4() {
            listener.set_ttl(100).unwrap();
            assert_eq!(listener.ttl().unwrap(), 100);
            stream.set_ttl(100).unwrap();
            assert_eq!(stream.ttl().unwrap(), 100);
        }
    });
}

#[test]
fn set_nonblocking() {
    each_ip(|_, listener, address| {
        listener.set_nonblocking(true).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (mut stream, _far) = connected(&listener, address);
        stream.set_nonblocking(false).unwrap();
        stream.set_nonblocking(true).unwrap();
        match stream.read(&mut [0]) {
            Ok(_) => panic!("it must not read"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    });
}

#[test]
fn peek() {
    each_ip(|world, listener, address| {
        let (sender, receiver) = unbounded();
        let server = world.spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(&[1, 3, 3, 7]).unwrap();
            receiver.recv().unwrap();
        });
        let mut stream = TcpStream::connect(address).unwrap();
        let mut buffer = [0; 10];
        for _ in 0..2 {
            assert_eq!(stream.peek(&mut buffer).unwrap(), 4);
        }
        assert_eq!(stream.read(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], [1, 3, 3, 7]);
        stream.set_nonblocking(true).unwrap();
        match stream.peek(&mut buffer) {
            Ok(_) => panic!("there is nothing to see"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        sender.send(()).unwrap();
        server.join();
    });
}
