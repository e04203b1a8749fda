//! An echo server and its load: a greenlet a connection on both sides, and how fast they are.
//!
//! ```text
//! cargo run --release --example echo                                  a server and 64 clients for two seconds
//! cargo run --release --example echo -- --connections 1000 --seconds 10
//! cargo run --release --example echo -- server 127.0.0.1:7000         until its input ends (Ctrl-D)
//! cargo run --release --example echo -- client 127.0.0.1:7000         against any echo server
//! ```
//!
//! | file | what it does |
//! | --- | --- |
//! | `options.rs` | the command line |
//! | `server.rs` | the server |
//! | `load.rs` | the clients: one message under way on each connection |
//! | `figures.rs` | requests a second, and how long they took |

mod figures;
mod load;
mod options;
mod server;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use greenhub::net::TcpListener;
use options::{Command, Load};

fn main() -> ExitCode {
    let command = match options::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(complaint) => {
            eprintln!("echo: {complaint}; try --help");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Help => {
            print!("{}", options::HELP);
            Ok(())
        }
        Command::Demo(load) => demo(&load),
        Command::Server(address) => server::until_input_ends(&address),
        Command::Client(address, load) => {
            load::put_on(address, &load).map(|figures| println!("{figures}"))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A server and its clients, in one process.
fn demo(load: &Load) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = server::Echo::start(TcpListener::bind("127.0.0.1:0")?)?;
    let figures = load::put_on(server.address(), load)?;
    println!("{figures}");
    let (metrics, served) = server.stop(Duration::from_secs(5))?;
    println!(
        "{} connections served; at the stop {} were drained and {} killed",
        metrics.accepted,
        served.drained(),
        served.killed()
    );
    Ok(())
}
