//! The server: plain sequential code, a greenlet a connection.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use greenhub::JoinHandle;
use greenhub::net::server::{Served, Server, ServerHandle, ServerMetrics};
use greenhub::net::{TcpListener, TcpStream};

/// A server that is serving.
pub(crate) struct Echo {
    address: SocketAddr,
    handle: ServerHandle,
    end: JoinHandle<io::Result<Served>>,
}

impl Echo {
    pub(crate) fn start(listener: TcpListener) -> io::Result<Echo> {
        let address = listener.local_addr()?;
        let server = Server::new(listener);
        let handle = server.handle();
        let stopping = handle.clone();
        let end = greenhub::spawn(move || {
            server.serve(move |stream, _peer| {
                // A connection that breaks is its client's affair.
                let _ = echo(&stopping, stream);
            })
        });
        Ok(Echo {
            address,
            handle,
            end,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it. Connections that are between two messages end at once; the others have so much time.
    pub(crate) fn stop(
        self,
        patience: Duration,
    ) -> Result<(ServerMetrics, Served), Box<dyn Error + Send + Sync>> {
        self.handle.stop(patience);
        let served = self.end.join()??;
        Ok((self.handle.metrics(), served))
    }
}

fn echo(stopping: &ServerHandle, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    while let Some(read) = stopping.idle(|| stream.read(&mut buffer)) {
        match read? {
            0 => break,
            n => stream.write_all(&buffer[..n])?,
        }
    }
    Ok(())
}

/// A server alone. It is stopped from the main thread, which is none of greenhub's.
pub(crate) fn until_input_ends(address: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Echo::start(TcpListener::bind(address)?)?;
    println!("echo on {}; Ctrl-D stops it", server.address());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    let (metrics, served) = server.stop(Duration::from_secs(5))?;
    println!(
        "{} connections served, {} drained, {} killed",
        metrics.accepted,
        served.drained(),
        served.killed()
    );
    Ok(())
}
