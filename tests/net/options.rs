//! Listeners that are made to order.

use std::io::{ErrorKind, Read, Write};
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use greenhub::net::{ListenOptions, SocketAddr, TcpListener, TcpStream};

use crate::worlds::{Task, everywhere};

/// An option of a socket, as the system has it.
fn option(socket: &impl AsRawFd, level: i32, name: i32) -> i32 {
    let mut value = 0_i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: both outlive the call, and the length is the value's.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &mut length,
        )
    };
    assert_eq!(result, 0);
    value
}

#[test]
fn without_choices_it_is_what_bind_makes() {
    let made = ListenOptions::new().listen("127.0.0.1:0").unwrap();
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    for name in [libc::SO_REUSEADDR, libc::SO_REUSEPORT, libc::SO_ACCEPTCONN] {
        assert_eq!(
            option(&made, libc::SOL_SOCKET, name),
            option(&bound, libc::SOL_SOCKET, name)
        );
    }
    let none: &[SocketAddr] = &[];
    let error = ListenOptions::default().listen(none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_listener_made_to_order_accepts() {
    everywhere(|world| {
        let options = ListenOptions::new().backlog(7).nodelay(true);
        let listener = options.listen("localhost:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = world.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Inherited.
            assert!(stream.nodelay().unwrap());
            stream.write_all(b"hello").unwrap();
        });
        server.until_parked();
        let mut text = String::new();
        let mut stream = TcpStream::connect(address).unwrap();
        assert!(!stream.nodelay().unwrap());
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        server.join();
    });
}

#[test]
fn listeners_that_all_say_so_share_a_port() {
    everywhere(|world| {
        let options = ListenOptions::new().reuse_port(true);
        let first = options.listen("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let second = options.listen(address).unwrap();
        // One that does not say so has no part in it.
        let error = ListenOptions::new().listen(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let acceptors = [first, second].map(|listener| {
            world.spawn(move || {
                let mut accepted = 0;
                loop {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut word = [0];
                    stream.read_exact(&mut word).unwrap();
                    if word == [0] {
                        return accepted;
                    }
                    accepted += 1;
                    stream.write_all(&word).unwrap();
                }
            })
        });
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[1]).unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        // Which of the two a connection comes to is not for us to say: until both have heard it.
        while !acceptors.iter().all(Task::is_finished) {
            if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                let _ = stream.write_all(&[0]);
            }
            greenhub::yield_now();
        }
        let accepted: i32 = acceptors.into_iter().map(Task::join).sum();
        assert_eq!(accepted, 50);
    });
}

#[test]
fn version_six_alone_leaves_the_port_to_version_four() {
    let any = Ipv6Addr::UNSPECIFIED;
    let Ok(listener) = ListenOptions::new().only_v6(true).listen((any, 0)) else {
        // Not every machine has it.
        return;
    };
    assert_eq!(option(&listener, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY), 1);
    let port = listener.local_addr().unwrap().port();
    let error = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let both = ListenOptions::new()
        .only_v6(false)
        .listen((any, 0))
        .unwrap();
    let port = both.local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

#[test]
#[expect(deprecated, reason = "std has them, deprecated as well")]
fn what_std_has_deprecated_answers_as_std_does() {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    let stds = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(
        ours.only_v6().map_err(|error| error.kind()),
        stds.only_v6().map_err(|error| error.kind())
    );
    assert_eq!(
        ours.set_only_v6(true).map_err(|error| error.kind()),
        stds.set_only_v6(true).map_err(|error| error.kind())
    );
}

#[cfg(target_os = "linux")]
#[test]
fn acknowledgements_are_quick_on_demand() {
    let (near, _far) = crate::worlds::pair();
    near.set_quickack(true).unwrap();
    assert!(near.quickack().unwrap());
    near.set_quickack(false).unwrap();
    assert!(!near.quickack().unwrap());
}
