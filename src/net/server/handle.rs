//! A server, as others see it.

use std::fmt;
use std::time::Duration;

use super::shared::Shared;
use crate::primitive::sync::Arc;
use crate::wait;

/// Tells a [`Server`](super::Server) to stop, and its connections that it does. Cloning it is cheap; give one to whoever
/// stops the server, and one to the handler.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

impl ServerHandle {
    pub(super) fn new(shared: &Arc<Shared>) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(shared),
        }
    }

    /// Begins a graceful stop, and returns at once; [`Server::serve`](super::Server::serve) returns when it is over. No
    /// connection is accepted any more; those that are between two requests ([`idle`](ServerHandle::idle)) are told at once;
    /// what has not ended after `patience` is killed. With no patience at all everything is killed at once.
    ///
    /// Another stop can only bring that moment forward.
    ///
    /// It works from greenlets and from OS threads. Like a kill it needs a program that unwinds: with `panic = "abort"` it
    /// ends the process.
    pub fn stop(&self, patience: Duration) {
        self.shared.stop(Some(patience));
    }

    /// The server has been told to stop: a handler should end its connection after the request at hand.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        let stopping = self.shared.is_stopping();
        if !stopping {
            // A loop may wait for it on the hub of whoever is to say so.
            wait::yield_if_overdue();
        }
        stopping
    }

    /// Waits until the server is told to stop.
    #[track_caller]
    pub fn wait_for_stop(&self) {
        self.shared.stopping.wait();
    }

    /// For handlers, between two requests: runs `f`, which waits for the next one, and ends that wait if the server is told to
    /// stop. `None`: it stops, and the connection should be closed.
    ///
    /// The wait ends by unwinding, as for a kill, so what `f` has half done is lost: it should do no more than wait for the first
    /// bytes, with [`peek`](crate::net::TcpStream::peek), [`fill_buf`](std::io::BufRead::fill_buf) or a read that gives what
    /// there is. What `f` returns is never lost.
    ///
    /// ```no_run
    /// # fn handle(stream: greenhub::net::TcpStream, server: greenhub::net::server::ServerHandle) -> std::io::Result<()> {
    /// use std::io::{BufRead, BufReader};
    ///
    /// let mut reader = BufReader::new(&stream);
    /// while let Some(there) = server.idle(|| reader.fill_buf().map(|bytes| !bytes.is_empty())) {
    ///     if !there? {
    ///         break; // the client has closed it
    ///     }
    ///     // … read the request and answer it …
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    pub fn idle<F, R>(&self, f: F) -> Option<R>
    where
        F: FnOnce() -> R,
    {
        self.shared.idlers.idle(|| self.shared.is_stopping(), f)
    }

    /// What the server has done so far.
    #[must_use]
    pub fn metrics(&self) -> ServerMetrics {
        // A loop may wait for a figure to change.
        wait::yield_if_overdue();
        self.figures()
    }

    fn figures(&self) -> ServerMetrics {
        let (accepted, active) = self.shared.roll.figures();
        ServerMetrics {
            accepted,
            active,
            rejected: self.shared.rejected.get(),
            starved: self.shared.starved.get(),
        }
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("is_stopping", &self.shared.is_stopping())
            .field("metrics", &self.figures())
            .finish()
    }
}

/// A server's figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMetrics {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections that are open now.
    pub active: usize,
    /// Of those accepted, how many were closed at once, because no greenlet could be had for them.
    pub rejected: u64,
    /// Attempts to accept that failed for want of descriptors or memory.
    pub starved: u64,
}
