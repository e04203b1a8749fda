//! Programs that poll: non-blocking calls, again and again.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use greenhub::net::server::Server;
use greenhub::net::unix::{UnixDatagram, UnixStream};
use greenhub::net::{TcpStream, UdpSocket};
use greenhub::runtime::Runtime;

use crate::worlds::{Folder, LONG, listen, pair, within};

/// Tries until it does not fail with `WouldBlock`, and never waits.
fn poll<T>(mut call: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return done.unwrap(),
        }
    }
}

/// On one hub, which whoever polls shares with the one that it waits for.
fn on_one_hub(what: &str, scenario: fn()) {
    let run = move || {
        let runtime = Runtime::builder().hubs(1).build().unwrap();
        runtime.run(scenario);
    };
    within(LONG, run, what);
}

/// Of these a sender to a full socket kept its hub for ever.
#[test]
fn whoever_polls_a_socket_lets_its_peer_run() {
    on_one_hub("a read", || {
        let (near, far) = pair();
        near.set_nonblocking(true).unwrap();
        let writer = greenhub::spawn(move || (&far).write_all(b"x"));
        assert_eq!(poll(|| (&near).read(&mut [0; 8])), 1);
        writer.join().unwrap().unwrap();
    });
    on_one_hub("a peek", || {
        let (near, far) = pair();
        near.set_nonblocking(true).unwrap();
        let writer = greenhub::spawn(move || (&far).write_all(b"x"));
        assert_eq!(poll(|| near.peek(&mut [0; 8])), 1);
        writer.join().unwrap().unwrap();
    });
    on_one_hub("a write", || {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = (&near).write(&[0; 4096]) {
            sent += count;
        }
        let reader = greenhub::spawn(move || (&far).read_exact(&mut vec![0; sent]).map(|()| far));
        assert_eq!(poll(|| (&near).write(b"x")), 1);
        reader.join().unwrap().unwrap();
    });
    on_one_hub("an accept", || {
        let (listener, address) = listen();
        listener.set_nonblocking(true).unwrap();
        let client = greenhub::spawn(move || TcpStream::connect(address));
        poll(|| listener.accept());
        client.join().unwrap().unwrap();
    });
    on_one_hub("a datagram", || {
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        near.set_nonblocking(true).unwrap();
        let address = near.local_addr().unwrap();
        let sender =
            greenhub::spawn(move || UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", address));
        assert_eq!(poll(|| near.recv_from(&mut [0; 8])).0, 1);
        sender.join().unwrap().unwrap();
    });
    on_one_hub("a datagram to a full socket", || {
        let folder = Folder::new();
        let path = folder.join("sock");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"x", &path).is_ok() {}
        let receiver = greenhub::spawn(move || receiver.recv(&mut [0; 8]).map(|_| receiver));
        assert_eq!(poll(|| sender.send_to(b"x", &path)), 1);
        receiver.join().unwrap().unwrap();
    });
}

#[test]
fn whoever_asks_a_server_again_and_again_lets_it_run() {
    on_one_hub("questions to a server", || {
        let (listener, address) = listen();
        let server = Server::new(listener);
        let handle = server.handle();
        let serving = greenhub::spawn(move || server.serve(|_, _| ()));
        let client = greenhub::spawn(move || TcpStream::connect(address));
        while handle.metrics().accepted == 0 {}
        let stopper = {
            let handle = handle.clone();
            greenhub::spawn(move || handle.stop(Duration::ZERO))
        };
        while !handle.is_stopping() {}
        stopper.join().unwrap();
        client.join().unwrap().unwrap();
        assert_eq!(serving.join().unwrap().unwrap().killed(), 0);
    });
}

/// Once a kill was delivered by every 32nd call, if the slice was long.
#[test]
fn a_call_that_does_not_wait_delivers_no_kill() {
    on_one_hub("a killed greenlet that polls", || {
        let (near, _far) = pair();
        near.set_nonblocking(true).unwrap();
        let poller = greenhub::spawn(move || {
            let polls = std::panic::catch_unwind(|| {
                greenhub::current().kill();
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(10) {
                    let kind = (&near).read(&mut [0; 8]).unwrap_err().kind();
                    assert_eq!(kind, ErrorKind::WouldBlock);
                }
            });
            let delivered = greenhub::catch_kill(greenhub::yield_now);
            (polls.is_ok(), delivered.is_err())
        });
        assert_eq!(poller.join().unwrap(), (true, true));
    });
}
