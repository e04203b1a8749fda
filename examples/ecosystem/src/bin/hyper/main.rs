//! `hyper` 1.x, unchanged, on greenlets: its runtime traits over greenhub's sockets and timers, driven by `block_on`.
//!
//! ```text
//! cargo run --release -p greenhub-ecosystem --bin hyper
//! cargo run --release -p greenhub-ecosystem --bin hyper -- --listen 127.0.0.1:8080
//! ```
//!
//! For who has `hyper` services already, or wants what is built on it. Handlers may be `async`, or plain code in a greenlet
//! of their own, which is a future too. The `http` example does the same work with a greenlet a connection and without the
//! way over channels: prefer that where the choice is yours.
//!
//! Without `--listen` it is its own client: kept connections, streamed bodies in both directions, handlers that wait, a stop
//! while an answer is on its way.
//!
//! | file | what it does |
//! | --- | --- |
//! | `io.rs` | a `TcpStream` that is polled |
//! | `clock.rs` | timers |
//! | `visit.rs` | the client |

mod clock;
mod io;
mod visit;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use greenhub::net::TcpStream;
use greenhub::net::server::{Served, Server, ServerHandle};
use greenhub::{JoinHandle, block_on, sleep, spawn};
use greenhub_ecosystem::options::{self, Arguments, Usage};
use greenhub_ecosystem::service::HELLO;
use greenhub_ecosystem::{listening, noise, signals};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

const HELP: &str = "\
Serves HTTP/1.1 with hyper, on greenlets.

Usage: hyper [OPTIONS]

Without --listen it serves on a free port and is its own client, who checks all answers.

Options:
  --clients N       clients at once [default: 100]
  --listen ADDRESS  serve on this address until SIGTERM or SIGINT
  --help            print this

  GET /, GET /bytes/N, POST /echo and GET /slow?ms=N are those of the `http` example.

It ends with status 1 if something is wrong, and with 2 if it was called in a wrong way.
";

/// How long a client may do nothing.
const STALL: Duration = Duration::from_secs(60);

/// How long a head may take.
const HEAD: Duration = Duration::from_secs(10);

/// How long a stop waits for answers that are on their way.
const GRACE: Duration = Duration::from_secs(5);

struct Options {
    clients: u64,
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    options::run("hyper", HELP, parse, |options| match options.listen {
        Some(address) => serve(address),
        None => greenhub::run(move || visit::visit(options.clients)),
    })
}

fn parse(arguments: &mut Arguments) -> Result<Options, Usage> {
    let mut options = Options {
        clients: 100,
        listen: None,
    };
    while let Some(option) = arguments.option()? {
        match option.as_str() {
            "--clients" => options.clients = arguments.number(&option, 1, 400)?,
            "--listen" => {
                options.listen = Some(arguments.value(&option, "an address with a port")?);
            }
            _ => return Err(options::unknown(&option)),
        }
    }
    Ok(options)
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let signals =
        signals::stop(false).map_err(|error| format!("cannot wait for signals: {error}"))?;
    greenhub::run(|| {
        let running = Running::start(address)?;
        println!("listening on http://{}", running.address);
        let why = signals.recv().unwrap_or("no signal can come any more");
        println!("stopping: {why}");
        running.stop().map(drop)
    })
}

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<Served>>,
}

impl Running {
    fn start(address: SocketAddr) -> Result<Running, String> {
        let listener = listening::on(address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("cannot listen: {error}"))?;
        let server = Server::new(listener);
        let handle = server.handle();
        let serving = spawn({
            let handle = handle.clone();
            move || {
                server.serve(move |stream, _peer| {
                    // What goes wrong on a connection is its client's business.
                    let _ = converse(stream, &handle);
                })
            }
        });
        Ok(Running {
            address,
            handle,
            serving,
        })
    }

    fn stop(self) -> Result<Served, String> {
        self.handle.stop(GRACE);
        let served = self.serving.join();
        let served = served.map_err(|error| format!("the server: {error}"))?;
        let served = served.map_err(|error| format!("the server: {error}"))?;
        match served.killed() {
            0 => Ok(served),
            killed => Err(format!("{killed} connections had to be killed")),
        }
    }
}

/// Drives `hyper`'s future for a connection, and tells it when the server stops.
fn converse(
    stream: TcpStream,
    handle: &ServerHandle,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_write_timeout(Some(STALL))?;
    let connection = http1::Builder::new()
        .timer(clock::Clock)
        .header_read_timeout(HEAD)
        .serve_connection(io::Io::new(stream), service_fn(answer));
    let mut connection = pin!(connection);
    let mut stop = Stop::of(handle);
    block_on(poll_fn(|context| {
        if stop.poll(context) {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    }))?;
    Ok(())
}

/// A greenlet that waits for the server's stop, for someone who polls.
struct Stop(Option<JoinHandle<()>>);

impl Stop {
    fn of(handle: &ServerHandle) -> Stop {
        let handle = handle.clone();
        Stop(Some(spawn(move || handle.wait_for_stop())))
    }

    /// Whether the server has begun to stop since the last poll.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let stops = self
            .0
            .as_mut()
            .is_some_and(|waiting| Pin::new(waiting).poll(context).is_ready());
        if stops {
            self.0 = None;
        }
        stops
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.kill();
        }
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// The service, as `hyper` wants it.
async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    if request.method() == Method::POST && path == "/echo" {
        // Streamed: the answer is on its way while the request still comes.
        return Ok(Response::new(request.into_body().boxed()));
    }
    if request.method() != Method::GET {
        return Ok(text(
            StatusCode::METHOD_NOT_ALLOWED,
            "not with this method\n",
        ));
    }
    if path == "/" {
        return Ok(Response::new(full(Bytes::from_static(HELLO))));
    }
    if path == "/slow" {
        let ms = request
            .uri()
            .query()
            .and_then(|query| query.strip_prefix("ms=")?.parse().ok());
        let Some(ms @ 0..=60_000) = ms else {
            return Ok(text(
                StatusCode::BAD_REQUEST,
                "ms=N is needed, at most 60000\n",
            ));
        };
        // Plain code that waits has a greenlet of its own, and the connection goes on.
        let waiting = spawn(move || sleep(Duration::from_millis(ms)));
        return Ok(match waiting.await {
            Ok(()) => text(StatusCode::OK, &format!("{ms} ms later\n")),
            Err(_panicked) => text(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n"),
        });
    }
    Ok(match path.strip_prefix("/bytes/").map(str::parse) {
        Some(Ok(end)) => Response::new(
            Noise { sent: 0, end }
                .map_err(|never| match never {})
                .boxed(),
        ),
        Some(Err(_)) => text(StatusCode::BAD_REQUEST, "an odd number of bytes\n"),
        None => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    })
}

fn text(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(full(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

fn full(bytes: Bytes) -> BoxBody<Bytes, hyper::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A body that is made while it is sent.
struct Noise {
    sent: u64,
    end: u64,
}

impl Body for Noise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = noise::from(self.sent, self.end - self.sent);
        self.sent += piece.len() as u64;
        Poll::Ready(match piece {
            [] => None,
            piece => Some(Ok(Frame::data(Bytes::from_static(piece)))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.sent)
    }
}
