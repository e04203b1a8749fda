//! Sockets whose closing waits until the peer has all that was sent (`SO_LINGER`).

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use greenhub::net::{Source, TcpListener, TcpStream};
use greenhub::runtime::Runtime;
use socket2::SockRef;

use crate::worlds::{LONG, listen, pair, within};

fn linger(socket: &impl AsFd) {
    SockRef::from(&socket.as_fd())
        .set_linger(Some(LONG * 60))
        .unwrap();
}

/// Sends more than is taken: the peer has to read, so that the closing can end.
fn fill(mut socket: impl Write) -> usize {
    let mut sent = 0;
    while let Ok(count) = socket.write(&[0; 65_536]) {
        sent += count;
    }
    sent
}

/// Drops what `make` makes on the one hub of a runtime, where a peer is that reads only after; and sees that the bytes come,
/// and their end.
fn assert_does_not_block<T: Send + 'static>(
    what: &str,
    make: impl FnOnce() -> (T, usize, TcpStream) + Send + 'static,
) {
    let scenario = move || {
        let runtime = Runtime::builder().hubs(1).build().unwrap();
        runtime.run(|| {
            let (socket, sent, mut peer) = make();
            drop(socket);
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), sent);
        });
    };
    within(LONG, scenario, what);
}

#[test]
fn a_stream_that_lingers_does_not_block_its_hub_when_it_is_dropped() {
    assert_does_not_block("a stream", || {
        let (near, far) = pair();
        linger(&near);
        near.set_nonblocking(true).unwrap();
        let sent = fill(&near);
        (near, sent, far)
    });
    assert_does_not_block("clones of a stream", || {
        let (near, far) = pair();
        near.set_nonblocking(true).unwrap();
        let clones = [near.try_clone().unwrap(), near.try_clone().unwrap()];
        linger(&clones[1]);
        let sent = fill(&near);
        ((near, clones), sent, far)
    });
    assert_does_not_block("a stream that was std's", || {
        let (near, far) = pair();
        let near = std::net::TcpStream::try_from(near).unwrap();
        linger(&near);
        let near = TcpStream::try_from(near).unwrap();
        near.set_nonblocking(true).unwrap();
        let sent = fill(&near);
        (near, sent, far)
    });
    assert_does_not_block(
        "a stream that is given back to std and was set there",
        || {
            let (near, far) = pair();
            let std = std::net::TcpStream::from(OwnedFd::from(near));
            let near = TcpStream::from(OwnedFd::from(std.try_clone().unwrap()));
            near.set_nonblocking(true).unwrap();
            let sent = fill(&near);
            linger(&std);
            drop(std);
            (near, sent, far)
        },
    );
}

#[test]
fn what_a_listener_that_lingers_accepts_does_not_block_its_hub() {
    assert_does_not_block("an accepted stream", || {
        let (listener, address) = listen();
        linger(&listener);
        let far = TcpStream::connect(address).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let sent = fill(&near);
        (near, sent, far)
    });
    assert_does_not_block("a stream that a std listener's clone accepted", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = TcpListener::try_from(listener.try_clone().unwrap()).unwrap();
        linger(&listener);
        let (near, _) = ours.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let sent = fill(&near);
        (near, sent, far)
    });
}

#[test]
fn a_source_of_a_socket_that_lingers_does_not_block_its_hub() {
    assert_does_not_block("a source", || {
        let (near, far) = pair();
        let near = std::net::TcpStream::try_from(near).unwrap();
        linger(&near);
        let near = Source::new(near).unwrap();
        let sent = fill(near.get_ref());
        (near, sent, far)
    });
}

/// The value of a greenlet that nobody joins is dropped by whoever ends it.
#[test]
fn a_stream_that_lingers_does_not_block_the_hub_that_ends_its_greenlet() {
    let scenario = || {
        let runtime = Runtime::builder().hubs(1).build().unwrap();
        runtime.run(|| {
            let (near, mut far) = pair();
            linger(&near);
            near.set_nonblocking(true).unwrap();
            let sent = fill(&near);
            let killed = greenhub::spawn(move || {
                let _near = near;
                greenhub::park();
            });
            crate::worlds::until_parked(&killed);
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
            let mut received = Vec::new();
            far.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), sent);
            let (near, mut far) = pair();
            linger(&near);
            near.set_nonblocking(true).unwrap();
            let sent = fill(&near);
            drop(greenhub::spawn(move || near));
            let mut received = Vec::new();
            far.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), sent);
        });
    };
    within(LONG, scenario, "a greenlet's stream");
}
