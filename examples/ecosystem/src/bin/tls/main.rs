//! HTTPS: `rustls`, unchanged, over greenhub's `TcpStream`, and the HTTP server of this crate over that.
//!
//! ```text
//! cargo run --release -p greenhub-ecosystem --bin tls
//! curl --insecure https://127.0.0.1:8443/        # while `tls --listen 127.0.0.1:8443` runs
//! ```
//!
//! `rustls::StreamOwned` makes a stream of a connection and whatever reads and writes: a `TcpStream` of greenhub's does, and
//! each wait inside parks the greenlet alone. The certificate is made on the spot.
//!
//! Without `--listen` it is its own client: full and resumed handshakes, then bytes in both directions, all checked, and
//! two that must fail, since the name or the certificate is not the right one.

mod client;
mod server;

use std::net::SocketAddr;
use std::process::ExitCode;

use greenhub_ecosystem::options::{self, Arguments, Usage};
use greenhub_ecosystem::signals;

const HELP: &str = "\
Serves HTTPS with a greenlet for each connection.

Usage: tls [OPTIONS]

Without --listen it serves on a free port and is its own client, who checks all answers.

Options:
  --clients N       clients at once [default: 32]
  --handshakes N    connections that each of them makes, full and resumed [default: 10]
  --megabytes N     bytes that each of them fetches and then echoes on one connection [default: 2]
  --listen ADDRESS  serve on this address until SIGTERM or SIGINT
  --help            print this

It ends with status 1 if something is wrong, and with 2 if it was called in a wrong way.
";

pub(crate) struct Options {
    pub(crate) clients: u64,
    pub(crate) handshakes: u64,
    pub(crate) megabytes: u64,
    pub(crate) listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    options::run("tls", HELP, parse, |options| match options.listen {
        Some(address) => serve(address),
        None => greenhub::run(move || client::visit(&options)),
    })
}

fn parse(arguments: &mut Arguments) -> Result<Options, Usage> {
    let mut options = Options {
        clients: 32,
        handshakes: 10,
        megabytes: 2,
        listen: None,
    };
    while let Some(option) = arguments.option()? {
        match option.as_str() {
            "--clients" => options.clients = arguments.number(&option, 1, 400)?,
            "--handshakes" => options.handshakes = arguments.number(&option, 1, 100_000)?,
            "--megabytes" => options.megabytes = arguments.number(&option, 1, 1000)?,
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
        let server = server::Server::start(address)?;
        println!("listening on https://{}", server.address());
        let why = signals.recv().unwrap_or("no signal can come any more");
        println!("stopping: {why}");
        server.stop()
    })
}
