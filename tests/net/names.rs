//! Names and addresses.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::sync::mpsc;

use greenhub::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use crate::worlds::{LONG, alone_with, everywhere, until_parked, within};

fn all(addresses: impl ToSocketAddrs) -> Vec<SocketAddr> {
    addresses.to_socket_addrs().unwrap().collect()
}

fn borrowed<A: ToSocketAddrs + ?Sized>(addresses: &A) -> Vec<SocketAddr> {
    all(addresses)
}

#[test]
fn whatever_stands_for_addresses_with_std_does_here() {
    everywhere(|_| {
        let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let (near, far) = (SocketAddr::from((v4, 7)), SocketAddr::from((v6, 7)));
        assert_eq!(all(near), [near]);
        assert_eq!(all(SocketAddrV4::new(v4, 7)), [near]);
        assert_eq!(all(SocketAddrV6::new(v6, 7, 0, 0)), [far]);
        assert_eq!(all((IpAddr::from(v4), 7)), [near]);
        assert_eq!(all((v4, 7)), [near]);
        assert_eq!(all((v6, 7)), [far]);
        assert_eq!(all(("127.0.0.1", 7)), [near]);
        assert_eq!(all(("::1", 7)), [far]);
        assert_eq!(all((String::from("127.0.0.1"), 7)), [near]);
        assert_eq!(all("127.0.0.1:7"), [near]);
        assert_eq!(all("[::1]:7"), [far]);
        assert_eq!(all(String::from("[::1]:7")), [far]);
        // And so does whatever borrows one of them.
        assert_eq!(borrowed(&near), [near]);
        assert_eq!(borrowed(&String::from("[::1]:7")), [far]);
        assert_eq!(borrowed("[::1]:7"), [far]);
        assert_eq!(all(&[near, far][..]), [near, far]);
    });
}

#[test]
fn what_stands_for_no_address_has_stds_errors() {
    everywhere(|_| {
        for nonsense in [
            "",
            "localhost",
            "localhost:",
            "127.0.0.1:65536",
            "127.0.0.1",
        ] {
            let ours = nonsense.to_socket_addrs().unwrap_err();
            let stds = std::net::ToSocketAddrs::to_socket_addrs(nonsense).unwrap_err();
            assert_eq!(ours.kind(), ErrorKind::InvalidInput);
            assert_eq!(ours.to_string(), stds.to_string());
        }
        // What the resolver says comes through.
        let ours = ("a name with spaces", 1).to_socket_addrs().unwrap_err();
        let stds = std::net::ToSocketAddrs::to_socket_addrs(&("a name with spaces", 1));
        assert_eq!(ours.kind(), stds.unwrap_err().kind());
    });
}

#[test]
fn a_name_is_resolved_wherever_an_address_may_stand() {
    everywhere(|world| {
        assert!(all("localhost:7").iter().all(|it| it.ip().is_loopback()));
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = world.spawn(move || TcpStream::connect(("localhost", port)).unwrap());
        listener.accept().unwrap();
        client.join();
        let socket = UdpSocket::bind("localhost:0").unwrap();
        let to = format!("localhost:{}", socket.local_addr().unwrap().port());
        socket.send_to(b"x", &*to).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
    });
}

/// The only thread for calls that block is taken. Seen to fail with a resolver that is asked on the spot.
#[test]
fn a_greenlet_that_asks_the_resolver_parks_and_one_that_knows_the_number_does_not() {
    alone_with(
        "names::a_greenlet_that_asks_the_resolver_parks_and_one_that_knows_the_number_does_not",
        &[("GREENHUB_OFFLOAD_THREADS", "1"), ("GREENHUB_HUBS", "1")],
        || {
            let scenario = || {
                greenhub::run(|| {
                    let (release, is_released) = mpsc::channel::<()>();
                    let taken = greenhub::spawn(move || {
                        greenhub::offload(move || is_released.recv().unwrap());
                    });
                    until_parked(&taken);
                    let asks = greenhub::spawn(|| all(("localhost", 7)));
                    until_parked(&asks);
                    // Killed ones do not wait for the resolver.
                    let killed = greenhub::spawn(|| all(("localhost", 7)));
                    until_parked(&killed);
                    killed.kill();
                    assert!(killed.join().unwrap_err().is_killed());
                    // The hub is free, and numbers need no thread.
                    assert_eq!(all("127.0.0.1:7"), [([127, 0, 0, 1], 7).into()]);
                    assert_eq!(all(("::1", 7)).len(), 1);
                    assert!(!asks.is_finished());
                    release.send(()).unwrap();
                    assert!(!asks.join().unwrap().is_empty());
                    taken.join().unwrap();
                })
            };
            within(LONG, scenario, "a resolver that is busy");
        },
    );
}
