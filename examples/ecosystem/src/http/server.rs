//! Connections. Accepting them, bounding their number, spreading them over the hubs and stopping is `greenhub::net::server`'s
//! work; what is left for here is what HTTP wants beside that.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenhub::net::server::{self, Served, ServerHandle};
use greenhub::net::{TcpListener, TcpStream};
use greenhub::{JoinHandle, spawn, timeout};

use super::connection::{Ending, Limits, serve};
use super::exchange::Exchange;
use super::status::Failure;

/// How long, and for how many bytes, a client that is still sending is listened to after its last answer.
const LINGER: Duration = Duration::from_secs(1);
const MOST_LINGERED: u64 = 1024 * 1024;

/// A running HTTP server. Dropping it leaves it running.
#[derive(Debug)]
pub struct Server {
    serving: JoinHandle<io::Result<Served>>,
    handle: ServerHandle,
    broken: Arc<AtomicU64>,
    address: SocketAddr,
}

/// What a server has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Those of them that ended with an error: a reset, most likely.
    pub broken: u64,
    /// Those of them that were open at the stop, and came to their own end.
    pub drained: usize,
    /// Those of them that were killed because they did not.
    pub killed: usize,
}

impl Server {
    /// Serves the connections of `listener` with `handler`, at most `most` at once. Others wait to be accepted.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn start<H>(
        listener: TcpListener,
        most: usize,
        limits: Limits,
        handler: H,
    ) -> io::Result<Server>
    where
        H: Fn(&mut Exchange<'_, &TcpStream>) -> Result<(), Failure> + Send + Sync + 'static,
    {
        let address = listener.local_addr()?;
        let server = server::Server::new(listener).max_connections(most);
        let handle = server.handle();
        let broken = Arc::new(AtomicU64::new(0));
        let serving = spawn({
            let (handle, broken) = (handle.clone(), Arc::clone(&broken));
            move || {
                server.serve(move |stream, _peer| {
                    if converse(&stream, &limits, &handle, &handler).is_err() {
                        broken.fetch_add(1, Ordering::Relaxed);
                    }
                })
            }
        });
        Ok(Server {
            serving,
            handle,
            broken,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.handle.metrics().active
    }

    /// Stops accepting, closes what waits for a request, lets the rest finish its exchange, and kills what has not done so
    /// after `grace`.
    ///
    /// # Errors
    ///
    /// If it had stopped before, because the listener broke.
    pub fn stop(self, grace: Duration) -> io::Result<Summary> {
        self.handle.stop(grace);
        let served = self.serving.join().map_err(io::Error::other)??;
        Ok(Summary {
            connections: self.handle.metrics().accepted,
            broken: self.broken.load(Ordering::Relaxed),
            drained: served.drained(),
            killed: served.killed(),
        })
    }
}

fn converse<H>(
    stream: &TcpStream,
    limits: &Limits,
    handle: &ServerHandle,
    handler: &H,
) -> io::Result<()>
where
    H: Fn(&mut Exchange<'_, &TcpStream>) -> Result<(), Failure>,
{
    stream.set_read_timeout(Some(limits.stall))?;
    stream.set_write_timeout(Some(limits.stall))?;
    match serve(stream, limits, handle, handler)? {
        Ending::Clean => Ok(()),
        Ending::Linger => linger(stream),
    }
}

/// Tells the client that nothing more will come, then listens until it has heard it.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let ended = timeout(LINGER, || {
        io::copy(&mut stream.by_ref().take(MOST_LINGERED), &mut io::sink())
    });
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}
