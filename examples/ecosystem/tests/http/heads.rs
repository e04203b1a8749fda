//! Requests and what becomes of their connection.

use std::io::{self, Read, Write};
use std::time::Duration;

use greenhub_ecosystem::http::{Ending, Limits, serve};
use greenhub_ecosystem::service::Service;

use crate::support::{
    BYE, HELLO, LAST_HELLO, against, connect, rest, server, statuses, talk, until,
};

#[test]
fn a_connection_is_kept_until_a_side_ends_it() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        for _ in 0..3 {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            assert_eq!(until(&stream, "greenlet.\n"), HELLO);
        }
        stream.write_all(BYE.as_bytes()).unwrap();
        assert_eq!(rest(&stream), LAST_HELLO);
    });
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    against(Limits::default(), |address| {
        let requests = format!(
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
             GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n\
             {BYE}"
        );
        let nothing = "HTTP/1.1 404 Not Found\r\n\
            Content-Type: text/plain\r\n\
            Content-Length: 22\r\n\
            \r\n\
            there is nothing here\n";
        let echo = "HTTP/1.1 200 OK\r\n\
            Content-Type: application/octet-stream\r\n\
            Transfer-Encoding: chunked\r\n\
            \r\n\
            5\r\nhello\r\n0\r\n\r\n";
        let answers = [HELLO, echo, nothing, LAST_HELLO].concat();
        assert_eq!(talk(address, requests), answers);
    });
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        let first = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /slow?m";
        stream.write_all(first.as_bytes()).unwrap();
        assert_eq!(until(&stream, "greenlet.\n"), HELLO);
        stream
            .write_all(b"s=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        assert!(rest(&stream).ends_with("1 ms later\n"));
    });
}

#[test]
fn an_answer_does_not_wait_for_the_next_one() {
    greenhub::run(|| {
        let (server, _gate) = server(100, Limits::default());
        let mut stream = connect(server.address());
        let both =
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(both.as_bytes()).unwrap();
        assert_eq!(until(&stream, "greenlet.\n"), HELLO);
        let _ = server.stop(Duration::ZERO);
    });
}

#[test]
fn a_head_may_come_byte_by_byte() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        for byte in BYE.bytes() {
            stream.write_all(&[byte]).unwrap();
            greenhub::yield_now();
        }
        assert_eq!(rest(&stream), LAST_HELLO);
    });
}

#[test]
fn a_head_that_drips_for_too_long_is_given_up() {
    let limits = Limits {
        head_time: Duration::from_millis(50),
        ..Limits::default()
    };
    against(limits, |address| {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        // Each byte comes well within the stall limit.
        let drip = greenhub::spawn({
            let mut stream = stream.try_clone().unwrap();
            move || {
                while stream.write_all(b"x").is_ok() {
                    greenhub::sleep(Duration::from_millis(5));
                }
            }
        });
        let answer = until(&stream, "come\n");
        assert_eq!(statuses(&answer), [408]);
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
        assert!(
            drip.join_timeout(Duration::from_secs(30)).is_ok(),
            "the server goes on reading"
        );
    });
}

#[test]
fn a_connection_that_asks_for_nothing_is_closed() {
    let limits = Limits {
        stall: Duration::from_millis(50),
        ..Limits::default()
    };
    against(limits, |address| {
        assert_eq!(rest(connect(address)), "");
        let mut stream = connect(address);
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        assert_eq!(rest(&stream), HELLO);
    });
}

#[test]
fn what_is_no_request_is_refused_and_ends_the_connection() {
    against(Limits::default(), |address| {
        let cases = [
            ("\r\nHELO mail\r\n\r\n".to_string(), 400),
            ("GET / HTTP/1.1\r\n\r\n".to_string(), 400),
            ("GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_string(), 505),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n".to_string(),
                417,
            ),
            (
                format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000)),
                414,
            ),
            (
                format!(
                    "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                    "x".repeat(20_000)
                ),
                431,
            ),
            (
                format!(
                    "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                    "X: y\r\n".repeat(100)
                ),
                431,
            ),
        ];
        for (request, status) in cases {
            // What comes behind it is not looked at.
            let answer = talk(address, format!("{request}{BYE}"));
            assert_eq!(statuses(&answer), [status], "{request:.60}");
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
        }
    });
}

#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            .unwrap();
        for _ in 0..100 {
            stream.write_all(&[b'x'; 8192]).unwrap();
        }
        // If the server closed at once, there would be a reset instead of this.
        assert_eq!(statuses(&rest(&stream)), [431]);
    });
}

#[test]
fn methods_that_are_not_served_are_told_which_are() {
    against(Limits::default(), |address| {
        let request = format!("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n{BYE}");
        let answer = talk(address, request);
        assert_eq!(statuses(&answer), [405, 200]);
        assert!(
            answer.contains("\r\nAllow: GET, HEAD, POST\r\n"),
            "{answer}"
        );
    });
}

#[test]
fn old_clients_are_answered_in_their_way() {
    against(Limits::default(), |address| {
        assert_eq!(talk(address, "GET / HTTP/1.0\r\n\r\n"), LAST_HELLO);
        let kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let answer = talk(address, format!("{kept}{BYE}"));
        assert_eq!(statuses(&answer), [200, 200]);
        assert!(
            answer.contains("\r\nConnection: keep-alive\r\n"),
            "{answer}"
        );
        // They know no chunks: the end of the connection ends the body.
        let streamed = "GET /bytes/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let (head, body) = {
            let mut stream = connect(address);
            stream.write_all(streamed.as_bytes()).unwrap();
            let head = until(&stream, "\r\n\r\n");
            let mut body = Vec::new();
            stream.read_to_end(&mut body).unwrap();
            (head, body)
        };
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(!head.contains("Transfer-Encoding"), "{head}");
        greenhub_ecosystem::noise::check(0, &body).unwrap();
        assert_eq!(body.len(), 3);
    });
}

#[test]
fn a_handler_that_panics_ends_its_own_connection_only() {
    against(Limits::default(), |address| {
        let panicking = "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(talk(address, panicking), "");
        assert_eq!(talk(address, BYE), LAST_HELLO);
    });
}

#[test]
fn the_same_code_serves_std_sockets_on_threads() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || -> io::Result<Ending> {
        let (stream, _) = listener.accept()?;
        let service = Service::default();
        serve(&stream, &Limits::default(), &(), &|exchange| {
            service.answer(exchange)
        })
    });
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let slow = "GET /slow?ms=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(format!("{slow}{BYE}").as_bytes()).unwrap();
    let answers = rest(&stream);
    assert!(answers.ends_with(LAST_HELLO), "{answers}");
    assert_eq!(server.join().unwrap().unwrap(), Ending::Clean);
}
