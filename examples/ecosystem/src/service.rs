//! What the `http` example serves, and `loadgen` asks for.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /` | a line of text |
//! | `GET /bytes/N` | `N` bytes, streamed |
//! | `POST /echo` | the body of the request, streamed while it comes |
//! | `GET /slow?ms=N` | a line of text, after a while |
//! | `GET /stats` | counters, one a line |

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::http::{Exchange, Failure, Method, Refusal};
use crate::noise;

/// The answer to `GET /`.
pub const HELLO: &[u8] = b"Hello from a greenlet.\n";

/// `/bytes/N` gives at most so many.
const MOST_BYTES: u64 = 1 << 30;

/// `/slow` takes at most so long.
const MOST_SLOW: u64 = 60_000;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// The service with its counters.
#[derive(Debug)]
pub struct Service {
    started: Instant,
    requests: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
    streamed: AtomicU64,
}

/// What the service has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Requests that reached it.
    pub requests: u64,
    /// Those of them that it refused.
    pub refused: u64,
    /// Bytes of bodies that came.
    pub received: u64,
    /// Bytes of streamed answers that went.
    pub streamed: u64,
}

impl Default for Service {
    fn default() -> Service {
        Service {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            received: AtomicU64::new(0),
            streamed: AtomicU64::new(0),
        }
    }
}

impl Service {
    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Relaxed),
            refused: self.refused.load(Relaxed),
            received: self.received.load(Relaxed),
            streamed: self.streamed.load(Relaxed),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// A refusal, or the connection's errors.
    pub fn answer<S: Read + Write>(&self, exchange: &mut Exchange<'_, S>) -> Result<(), Failure> {
        self.requests.fetch_add(1, Relaxed);
        let done = self.route(exchange);
        if matches!(done, Err(Failure::Refused(_))) {
            self.refused.fetch_add(1, Relaxed);
        }
        done
    }

    fn route<S: Read + Write>(&self, exchange: &mut Exchange<'_, S>) -> Result<(), Failure> {
        let (path, query) = exchange.head().split_path();
        match (exchange.head().method, path) {
            (Method::Other, _) => Err(wrong_method()),
            (Method::Post, "/echo") => self.echo(exchange),
            (_, "/echo") | (Method::Post, "/" | "/slow" | "/stats") => Err(wrong_method()),
            (_, "/") => Ok(exchange.respond(200, TEXT, HELLO)?),
            (_, "/slow") => slow(exchange, query),
            (_, "/stats") => Ok(exchange.respond(200, TEXT, self.stats().as_bytes())?),
            _ => match path.strip_prefix("/bytes/").map(str::parse) {
                Some(Ok(count)) if count <= MOST_BYTES => self.bytes(exchange, count),
                Some(_) => Err(Refusal::new(400, "an odd number of bytes").into()),
                None => Err(Refusal::new(404, "there is nothing here").into()),
            },
        }
    }

    /// A client that sends all before it reads anything will fill the connection in both directions if the body is large
    /// enough, and waits for itself then. The stall limit ends that.
    fn echo<S: Read + Write>(&self, exchange: &mut Exchange<'_, S>) -> Result<(), Failure> {
        let mut buffer = [0; 8 * 1024];
        let mut count = exchange.read(&mut buffer)?;
        exchange.start(200, BYTES)?;
        while count > 0 {
            self.received.fetch_add(count as u64, Relaxed);
            exchange.write(&buffer[..count])?;
            self.streamed.fetch_add(count as u64, Relaxed);
            count = exchange.read(&mut buffer)?;
        }
        Ok(())
    }

    fn bytes<S: Read + Write>(
        &self,
        exchange: &mut Exchange<'_, S>,
        count: u64,
    ) -> Result<(), Failure> {
        exchange.start(200, BYTES)?;
        let mut sent = 0;
        while sent < count {
            let piece = noise::from(sent, count - sent);
            exchange.write(piece)?;
            sent += piece.len() as u64;
            self.streamed.fetch_add(piece.len() as u64, Relaxed);
        }
        Ok(())
    }

    fn stats(&self) -> String {
        let Counts {
            requests,
            refused,
            received,
            streamed,
        } = self.counts();
        let seconds = self.started.elapsed().as_secs();
        format!(
            "requests {requests}\nrefused {refused}\nreceived {received}\nstreamed {streamed}\nseconds {seconds}\n"
        )
    }
}

fn slow<S: Read + Write>(exchange: &mut Exchange<'_, S>, query: &str) -> Result<(), Failure> {
    let ms = query.strip_prefix("ms=").map(str::parse);
    let Some(Ok(ms @ 0..=MOST_SLOW)) = ms else {
        return Err(Refusal::new(400, "ms=N is needed, at most 60000").into());
    };
    exchange.flush()?;
    greenhub::sleep(Duration::from_millis(ms));
    Ok(exchange.respond(200, TEXT, format!("{ms} ms later\n").as_bytes())?)
}

fn wrong_method() -> Failure {
    Refusal::new(405, "not with this method").into()
}
