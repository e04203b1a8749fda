//! An HTTP/1.1 server in plain sequential code: a greenlet a connection, `httparse` for the heads, no `async`.
//!
//! ```text
//! cargo run --release -p greenhub-ecosystem --bin http
//! cargo run --release -p greenhub-ecosystem --bin http -- --listen 127.0.0.1:8080
//! wrk -t2 -c1000 -d10 http://127.0.0.1:8080/
//! ```
//!
//! Without options it serves on a free port and is its own client: connections that are kept, pipelined requests, streamed
//! bodies in both directions, refusals, and a stop while an answer is on its way. With `--listen` it serves until SIGTERM
//! or SIGINT, then finishes what it has begun.

mod tour;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use greenhub_ecosystem::http::{Limits, Server, Summary};
use greenhub_ecosystem::options::{self, Arguments, Usage};
use greenhub_ecosystem::service::{Counts, Service};
use greenhub_ecosystem::{files, listening, signals};

const HELP: &str = "\
Serves HTTP/1.1 with a greenlet for each connection.

Usage: http [OPTIONS]

Without --listen it serves on a free port, is its own client for a moment, and checks all answers.

Options:
  --listen ADDRESS  serve on this address, such as 127.0.0.1:8080, until SIGTERM or SIGINT
  --connections N   connections at once; more wait [default: 10000]
  --grace SECONDS   how long a stop waits for answers that are on their way [default: 5]
  --until-eof       stop at the end of standard input too
  --help            print this

  GET /             a line of text
  GET /bytes/N      N bytes, streamed
  POST /echo        the body of the request, streamed while it comes
  GET /slow?ms=N    a line of text, after a while
  GET /stats        counters

It ends with status 1 if something is wrong, and with 2 if it was called in a wrong way.
";

struct Options {
    listen: Option<SocketAddr>,
    connections: u64,
    grace: Duration,
    until_eof: bool,
}

fn main() -> ExitCode {
    options::run("http", HELP, parse, |options| match options.listen {
        Some(address) => serve(address, &options),
        None => greenhub::run(move || tour::take(options.grace)),
    })
}

fn parse(arguments: &mut Arguments) -> Result<Options, Usage> {
    let mut options = Options {
        listen: None,
        connections: 10_000,
        grace: Duration::from_secs(5),
        until_eof: false,
    };
    while let Some(option) = arguments.option()? {
        match option.as_str() {
            "--listen" => {
                options.listen = Some(arguments.value(&option, "an address with a port")?);
            }
            "--connections" => options.connections = arguments.number(&option, 1, 1_000_000)?,
            "--grace" => options.grace = arguments.seconds(&option)?,
            "--until-eof" => options.until_eof = true,
            _ => return Err(options::unknown(&option)),
        }
    }
    Ok(options)
}

fn serve(address: SocketAddr, options: &Options) -> Result<(), String> {
    let signals = signals::stop(options.until_eof)
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    let most = files::room_for(options.connections)
        .map_err(|error| format!("cannot ask for open files: {error}"))?;
    greenhub::run(|| {
        let service = Arc::new(Service::default());
        let server = start(address, most as usize, &service)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        println!(
            "listening on http://{}, for {most} connections",
            server.address()
        );
        let why = signals.recv().unwrap_or("no signal can come any more");
        println!("stopping: {why}; {} connections are open", server.open());
        let summary = server.stop(options.grace);
        let summary = summary.map_err(|error| format!("the server had ended: {error}"))?;
        print(summary, service.counts());
        Ok(())
    })
}

fn start(address: SocketAddr, most: usize, service: &Arc<Service>) -> std::io::Result<Server> {
    let service = Arc::clone(service);
    Server::start(
        listening::on(address)?,
        most,
        Limits::default(),
        move |exchange| service.answer(exchange),
    )
}

fn print(summary: Summary, counts: Counts) {
    println!(
        "{} connections, {} broken; {} were open at the stop and drained, {} killed",
        summary.connections, summary.broken, summary.drained, summary.killed
    );
    println!(
        "{} requests, {} refused; {} bytes received, {} streamed",
        counts.requests, counts.refused, counts.received, counts.streamed
    );
}
