//! The number of connections, and their end.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use greenhub::net::TcpStream;
use greenhub::{join_all, spawn};
use greenhub_ecosystem::http::Limits;

use crate::support::{PATIENCE, connect, rest, server, statuses, talk, until};

/// A request that is answered when the test lets it.
const HELD: &str = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn connections_above_the_most_wait_for_a_place() {
    greenhub::run(|| {
        let (server, gate) = server(2, Limits::default());
        let address = server.address();
        let request = "GET /slow?ms=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let clients = (0..20).map(|_| spawn(move || talk(address, request)));
        for answer in join_all(clients) {
            assert_eq!(statuses(&answer.unwrap()), [200]);
        }
        let most = gate.most_inside.load(Relaxed);
        assert!((1..=2).contains(&most), "{most} at once");
        assert_eq!(server.stop(PATIENCE).unwrap().connections, 20);
    });
}

#[test]
fn a_stop_finishes_what_is_on_its_way_and_closes_what_is_idle() {
    greenhub::run(|| {
        let (server, gate) = server(100, Limits::default());
        let address = server.address();
        let idle: Vec<_> = (0..10)
            .map(|_| {
                let mut stream = connect(address);
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    .unwrap();
                until(&stream, "greenlet.\n");
                stream
            })
            .collect();
        // Two answers are under way: one that waits, and one to a body of which a part is missing.
        let held = spawn(move || talk(address, HELD));
        gate.reached.wait();
        let mut echo = connect(address);
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
        echo.write_all(format!("{head}hello").as_bytes()).unwrap();
        until(&echo, "hello\r\n");

        let stop = spawn(move || server.stop(PATIENCE).unwrap());
        for idle in idle {
            assert_eq!(rest(&idle), "");
        }
        assert!(!stop.is_finished());
        echo.write_all(b"world").unwrap();
        assert_eq!(rest(&echo), "5\r\nworld\r\n0\r\n\r\n");
        assert!(!stop.is_finished());
        gate.open.set();
        // The client asked for more on this connection; there is not.
        let answer = held.join().unwrap();
        assert_eq!(statuses(&answer), [200]);
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.ends_with("at last\n"), "{answer}");

        let summary = stop.join().unwrap();
        assert_eq!((summary.connections, summary.killed), (12, 0));
        assert!(TcpStream::connect(address).is_err(), "it listens still");
    });
}

#[test]
fn a_stop_kills_what_takes_too_long() {
    greenhub::run(|| {
        let (server, gate) = server(100, Limits::default());
        let address = server.address();
        let held = spawn(move || talk(address, HELD));
        gate.reached.wait();
        let summary = server.stop(Duration::from_millis(50)).unwrap();
        assert_eq!(held.join().unwrap(), "");
        assert_eq!((summary.connections, summary.killed), (1, 1));
    });
}

#[test]
fn a_server_that_nobody_visits_stops_too() {
    greenhub::run(|| {
        let (server, _gate) = server(1, Limits::default());
        assert_eq!(server.stop(PATIENCE).unwrap().connections, 0);
    });
}
