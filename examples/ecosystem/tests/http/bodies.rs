//! Bodies in both directions.

use std::io::Write;
use std::time::Duration;

use greenhub_ecosystem::http::{Client, Limits, Payload};
use greenhub_ecosystem::noise;

use crate::support::{
    BYE, HELLO, LAST_HELLO, PATIENCE, against, connect, rest, server, statuses, talk, until,
};

#[test]
fn streamed_bodies_arrive_whole_in_both_directions() {
    against(Limits::default(), |address| {
        let mut client = Client::connect(address, PATIENCE).unwrap();
        for length in [0, 1, 250, 4096, 100_000, 3_000_000] {
            let mut offset = 0;
            let path = format!("/bytes/{length}");
            let answer = client.request("GET", &path, Payload::None, |piece| {
                noise::check(offset, piece)?;
                offset += piece.len() as u64;
                Ok(())
            });
            assert_eq!(answer.unwrap().length, length);
        }
        for length in [0, 1, 1000, 100_000] {
            let body: Vec<u8> = (0..length).map(|at| noise::from(at, 1)[0]).collect();
            for payload in [
                Payload::Whole(&body),
                Payload::Chunks(&body, 1),
                Payload::Chunks(&body, 777),
                Payload::Chunks(&body, 65_536),
            ] {
                // All of it is sent before the echo is read: the connection can hold as much.
                let mut echo = Vec::new();
                let answer = client.request("POST", "/echo", payload, |piece| {
                    echo.extend_from_slice(piece);
                    Ok(())
                });
                assert_eq!(answer.unwrap().status, 200);
                assert!(echo == body, "{length} bytes");
            }
        }
        assert!(client.is_usable());
    });
}

#[test]
fn an_echo_comes_while_the_body_is_still_being_sent() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        let head =
            "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
        stream.write_all(format!("{head}hello").as_bytes()).unwrap();
        assert!(until(&stream, "hello\r\n").ends_with("\r\n\r\n5\r\nhello\r\n"));
        stream.write_all(b"world").unwrap();
        assert_eq!(rest(&stream), "5\r\nworld\r\n0\r\n\r\n");
    });
}

#[test]
fn what_follows_a_chunked_body_is_the_next_request() {
    against(Limits::default(), |address| {
        let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
            1;extension\r\na\r\n2\r\nbc\r\n0\r\nTrailer: x\r\n\r\n";
        let answers = talk(address, format!("{chunked}{chunked}{BYE}"));
        assert_eq!(statuses(&answers), [200, 200, 200]);
        assert!(
            answers.ends_with(&format!("0\r\n\r\n{LAST_HELLO}")),
            "{answers}"
        );
    });
}

#[test]
fn malformed_chunks_end_the_connection() {
    against(Limits::default(), |address| {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let early = talk(address, format!("{head}x\r\n{BYE}"));
        assert_eq!(statuses(&early), [400]);
        assert!(early.contains("\r\nConnection: close\r\n"), "{early}");
        // Too late for that: the answer has begun. It must not look whole.
        let late = talk(address, format!("{head}1\r\na\r\nx\r\n{BYE}"));
        assert_eq!(statuses(&late), [200]);
        assert!(!late.contains("0\r\n\r\n"), "{late}");
    });
}

#[test]
fn a_body_that_ends_early_is_not_echoed_as_if_it_were_whole() {
    let summary = against(Limits::default(), |address| {
        let mut stream = connect(address);
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
        stream.write_all(format!("{head}hello").as_bytes()).unwrap();
        stream.shutdown(greenhub::net::Shutdown::Write).unwrap();
        assert!(!rest(&stream).contains("0\r\n\r\n"));
    });
    assert_eq!(summary.broken, 1);
}

#[test]
fn bodies_that_are_too_large_are_refused() {
    let limits = Limits {
        body: 1000,
        ..Limits::default()
    };
    against(limits, |address| {
        let post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
        // 1,000 bytes are not; and then a length tells at once, without any of the body.
        let allowed = format!("{post}Content-Length: 1000\r\n\r\n{}", "x".repeat(1000));
        let forbidden = format!("{post}Content-Length: 100000\r\n\r\n");
        assert_eq!(
            statuses(&talk(address, format!("{allowed}{forbidden}"))),
            [200, 413]
        );
        let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(0x3e9));
        let chunked = talk(
            address,
            format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}{BYE}"),
        );
        // It may be noticed before the answer has begun, or after; never does the answer end as if all were well.
        assert!(
            statuses(&chunked) == [413] || !chunked.contains("\r\n0\r\n\r\n"),
            "{chunked:.200}"
        );
        assert_eq!(statuses(&chunked).len(), 1);
    });
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    against(Limits::default(), |address| {
        let mut stream = connect(address);
        let asking = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
        stream
            .write_all(format!("POST /echo HTTP/1.1\r\n{asking}\r\n").as_bytes())
            .unwrap();
        assert_eq!(until(&stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(format!("hello{BYE}").as_bytes()).unwrap();
        let answers = rest(&stream);
        assert!(
            answers.ends_with(&format!("5\r\nhello\r\n0\r\n\r\n{LAST_HELLO}")),
            "{answers}"
        );

        // Who has sent the body without waiting is not told.
        let eager = talk(
            address,
            format!("POST /echo HTTP/1.1\r\n{asking}\r\nhello{BYE}"),
        );
        assert_eq!(statuses(&eager), [200, 200]);

        // Who is refused is not told either. Whether the body will come, nobody knows: the connection ends.
        let refused = talk(address, format!("POST / HTTP/1.1\r\n{asking}\r\n"));
        assert_eq!(statuses(&refused), [405]);
        assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
    });
}

#[test]
fn the_answer_to_head_has_no_body() {
    against(Limits::default(), |address| {
        let head = |path| format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let requests = [
            head("/"),
            head("/bytes/1000"),
            head("/nothing"),
            BYE.to_string(),
        ];
        let answers = talk(address, requests.concat());
        assert_eq!(statuses(&answers), [200, 200, 404, 200]);
        assert!(
            answers.contains("\r\nContent-Length: 23\r\n\r\nHTTP/1.1 200"),
            "{answers}"
        );
        assert!(
            answers.contains("\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 404"),
            "{answers}"
        );
        assert!(
            answers.contains("\r\nContent-Length: 22\r\n\r\nHTTP/1.1 200"),
            "{answers}"
        );
        assert!(answers.ends_with(LAST_HELLO), "{answers}");
    });
}

#[test]
fn a_body_that_nobody_reads_is_skipped_if_it_is_small() {
    against(Limits::default(), |address| {
        let body = "GET /nothing HTTP/1.1\r\n".repeat(40);
        let small = format!(
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(
            talk(address, format!("{small}{BYE}")),
            [HELLO, LAST_HELLO].concat()
        );

        let large = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
        let large = format!("{large}{}{BYE}", "x".repeat(200_000));
        assert_eq!(talk(address, large), LAST_HELLO);

        // The length of chunks shows too late to announce the end.
        let chunks = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(40);
        let head = "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunked = talk(address, format!("{head}{chunks}0\r\n\r\n{BYE}"));
        assert_eq!(chunked, HELLO);
    });
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let limits = Limits {
        stall: Duration::from_millis(50),
        ..Limits::default()
    };
    against(limits, |address| {
        let request = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(statuses(&talk(address, request)), [408]);
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let limits = Limits {
        stall: Duration::from_millis(50),
        ..Limits::default()
    };
    let summary = greenhub::run(|| {
        let (server, _gate) = server(100, limits);
        let mut stream = connect(server.address());
        let request = "GET /bytes/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        until(&stream, "\r\n\r\n");
        // The others are served meanwhile.
        assert_eq!(talk(server.address(), BYE), LAST_HELLO);
        server.stop(PATIENCE).unwrap()
    });
    assert_eq!((summary.broken, summary.killed), (1, 0));
}
