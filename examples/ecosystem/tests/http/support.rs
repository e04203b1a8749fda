//! A server for each test, and clients that say exactly what the test wants.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use greenhub::net::TcpStream;
use greenhub::sync::Event;
use greenhub_ecosystem::http::{Limits, Server, Summary};
use greenhub_ecosystem::listening;
use greenhub_ecosystem::service::Service;

/// Only there to end a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every `GET /` brings, `Date` left out.
pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 23\r\n\
    \r\n\
    Hello from a greenlet.\n";

/// The same, from a connection that ends.
pub(crate) const LAST_HELLO: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 23\r\n\
    Connection: close\r\n\
    \r\n\
    Hello from a greenlet.\n";

/// A request that ends its connection.
pub(crate) const BYE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// `GET /held` is answered when the test lets it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// A request has come that far.
    pub(crate) reached: Arc<Event>,
    /// It may go on.
    pub(crate) open: Arc<Event>,
    /// How many requests are being answered, and how many were at most.
    inside: Arc<AtomicUsize>,
    pub(crate) most_inside: Arc<AtomicUsize>,
}

impl Gate {
    fn enter(&self) -> impl Drop {
        struct Inside(Arc<AtomicUsize>);
        impl Drop for Inside {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        let inside = self.inside.fetch_add(1, Relaxed) + 1;
        self.most_inside.fetch_max(inside, Relaxed);
        Inside(Arc::clone(&self.inside))
    }
}

pub(crate) fn server(most: usize, limits: Limits) -> (Server, Gate) {
    let service = Arc::new(Service::default());
    let gate = Gate::default();
    let listener = listening::on((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let server = Server::start(listener, most, limits, {
        let gate = gate.clone();
        move |exchange| {
            let _inside = gate.enter();
            match exchange.head().path.as_str() {
                "/panic" => panic!("as the client wished"),
                "/held" => {
                    exchange.flush()?;
                    gate.reached.set();
                    gate.open.wait();
                    Ok(exchange.respond(200, "text/plain", b"at last\n")?)
                }
                _ => service.answer(exchange),
            }
        }
    });
    (server.unwrap(), gate)
}

/// Runs `test` as a greenlet against a server, which must have nothing left to kill at the end.
pub(crate) fn against(limits: Limits, test: impl FnOnce(SocketAddr) + Send) -> Summary {
    greenhub::run(|| {
        let (server, _gate) = server(100, limits);
        test(server.address());
        let summary = server.stop(PATIENCE).unwrap();
        assert_eq!(summary.killed, 0, "{summary:?}");
        summary
    })
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends all at once, and returns all that comes until the server closes.
pub(crate) fn talk(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_ref()).unwrap();
    rest(&mut stream)
}

/// All that comes until the server closes, but for the `Date`, which must be there.
pub(crate) fn rest(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    without_dates(&text)
}

/// What comes up to the end of `last`.
pub(crate) fn until(mut stream: impl Read, last: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(last.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    without_dates(std::str::from_utf8(&text).unwrap())
}

fn without_dates(text: &str) -> String {
    let mut lines = text.split_inclusive("\r\n");
    let kept: String = lines
        .by_ref()
        .filter(|line| !line.starts_with("Date: "))
        .collect();
    let dates = text.matches("Date: ").count();
    assert_eq!(dates, text.matches("\r\nContent-Type: ").count(), "{text}");
    kept
}

/// The status codes of all answers in `text`.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().unwrap())
        .collect()
}
