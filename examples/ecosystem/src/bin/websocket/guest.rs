//! The other side: guests in plain sequential code, straight on `tungstenite`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::net::TcpStream;
use greenhub::sync::Barrier;
use greenhub::{join_all, spawn};
use greenhub_ecosystem::latencies::Latencies;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::member::config;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What a guest has heard.
struct Heard {
    /// Of all lines in their order.
    digest: u64,
    lines: u64,
    pongs: u64,
    /// How long each of its own lines took to come back.
    round_trips: Vec<Duration>,
}

/// Lets `guests` talk, and checks that all have heard the same.
pub(crate) fn party(address: SocketAddr, guests: u64, lines: u64) -> Result<Latencies, String> {
    // Nobody speaks before all are there, so that all hear all of it.
    let all_there = Arc::new(Barrier::new(guests as usize));
    let handles = (0..guests).map(|_| {
        let all_there = Arc::clone(&all_there);
        spawn(move || talk(address, guests, lines, &all_there))
    });
    let mut round_trips = Latencies::default();
    let mut digest = None;
    for heard in join_all(handles) {
        let heard = heard.map_err(|error| format!("a guest: {error}"))?;
        let heard = heard.map_err(|error| format!("a guest: {error}"))?;
        if heard.lines != guests * lines || heard.pongs != 1 {
            return Err(format!(
                "a guest has heard {} lines of {}, and {} pongs",
                heard.lines,
                guests * lines,
                heard.pongs
            ));
        }
        if *digest.get_or_insert(heard.digest) != heard.digest {
            return Err("two guests have heard different things".to_string());
        }
        for round_trip in heard.round_trips {
            round_trips.add(round_trip);
        }
    }
    Ok(round_trips)
}

fn talk(address: SocketAddr, guests: u64, lines: u64, all_there: &Barrier) -> Result<Heard, Error> {
    let entered = enter(address);
    // Whoever cannot get in must not keep the others waiting.
    all_there.wait();
    let (mut socket, name) = entered?;
    let mut heard = Heard {
        digest: 0xcbf2_9ce4_8422_2325,
        lines: 0,
        pongs: 0,
        round_trips: Vec::new(),
    };
    socket.send(Message::Ping("there?".into()))?;
    for number in 0..lines {
        let begun = Instant::now();
        let line = format!("this is line {number}");
        let own = format!("{name}: {line}");
        socket.send(Message::text(line))?;
        while heard.next(&mut socket)? != own {}
        heard.round_trips.push(begun.elapsed());
    }
    while heard.lines < guests * lines {
        heard.next(&mut socket)?;
    }
    leave(socket)?;
    Ok(heard)
}

fn enter(address: SocketAddr) -> Result<(WebSocket<TcpStream>, String), Error> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let url = format!("ws://{address}/");
    let entered = tungstenite::client::client_with_config(url, stream, Some(config()));
    let (mut socket, _response) = entered.map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => io::Error::from(io::ErrorKind::TimedOut).into(),
    })?;
    let welcome = socket.read()?.into_text()?;
    let name = welcome.strip_prefix("welcome, ").unwrap_or_default();
    let name = name.to_string();
    Ok((socket, name))
}

impl Heard {
    /// The next line.
    fn next(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<String, Error> {
        loop {
            match socket.read()? {
                Message::Text(line) => {
                    self.lines += 1;
                    for byte in line.bytes().chain([b'\n']) {
                        self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
                    }
                    return Ok(line.to_string());
                }
                Message::Pong(_) => self.pongs += 1,
                _ => {}
            }
        }
    }
}

/// Closes the connection as the protocol wants it: both sides say so.
fn leave(mut socket: WebSocket<TcpStream>) -> Result<(), Error> {
    socket.close(None)?;
    loop {
        match socket.read() {
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
