//! The clients: a greenlet each, which sends a message, waits for it to come back, and sends the next.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use greenhub::net::TcpStream;
use greenhub::sync::Barrier;

use crate::figures::Figures;
use crate::options::Load;

/// Nothing takes so long on a network that works.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the clients to their end, and tells what they have seen. The first error of one is everybody's.
pub(crate) fn put_on(
    address: SocketAddr,
    load: &Load,
) -> Result<Figures, Box<dyn Error + Send + Sync>> {
    let (duration, bytes) = (load.duration, load.bytes);
    // All connect first, so that all send at once.
    let connected: Vec<TcpStream> = greenhub::run(|| {
        let clients = (0..load.connections).map(|_| greenhub::spawn(move || connect(address)));
        greenhub::join_all(clients)
            .into_iter()
            .map(|client| client.map_err(io::Error::other)?)
            .collect::<io::Result<_>>()
    })?;
    let start = Barrier::new(connected.len());
    let latencies = greenhub::scope(|scope| {
        let clients: Vec<_> = connected
            .into_iter()
            .map(|stream| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    send(stream, bytes, Instant::now() + duration)
                })
            })
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.append(&mut client.join().map_err(io::Error::other)??);
        }
        io::Result::Ok(all)
    })?;
    if latencies.is_empty() {
        return Err("no message has come back".into());
    }
    Ok(Figures::new(load, latencies))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// How long each message was under way.
fn send(mut stream: TcpStream, bytes: usize, end: Instant) -> io::Result<Vec<Duration>> {
    let message: Vec<u8> = (0..bytes).map(|n| n as u8).collect();
    let mut echo = vec![0; bytes];
    let mut latencies = Vec::new();
    let mut sent = Instant::now();
    while sent < end {
        stream.write_all(&message)?;
        stream.read_exact(&mut echo)?;
        if echo != message {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this is no echo",
            ));
        }
        let now = Instant::now();
        latencies.push(now - sent);
        sent = now;
    }
    Ok(latencies)
}
