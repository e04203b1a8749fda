//! The service of the `http` example in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use greenhub_ecosystem::http::{Limits, Server};
use greenhub_ecosystem::service::Service;
use greenhub_ecosystem::{files, listening, signals};

/// The option that makes this program the server.
pub(crate) const SERVE: &str = "--serve-for-parent";

/// Serves until standard input ends. The address is all that it prints: nobody reads more.
pub(crate) fn serve() -> Result<(), String> {
    let signals =
        signals::stop(true).map_err(|error| format!("cannot wait for the end: {error}"))?;
    let most = files::room_for(1_000_000)
        .map_err(|error| format!("cannot ask for open files: {error}"))?;
    greenhub::run(|| {
        let service = Service::default();
        let listener = listening::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| format!("the server cannot listen: {error}"))?;
        let server = Server::start(
            listener,
            most as usize,
            Limits::default(),
            move |exchange| service.answer(exchange),
        );
        let server = server.map_err(|error| format!("the server cannot listen: {error}"))?;
        println!("{}", server.address());
        let _ = signals.recv();
        let summary = server
            .stop(Duration::from_secs(5))
            .map_err(|error| format!("the server had ended: {error}"))?;
        match summary.killed {
            0 => Ok(()),
            killed => Err(format!("the server had to kill {killed} connections")),
        }
    })
}
