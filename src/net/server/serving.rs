//! A server, from its making to its end.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::time::Duration;

use super::acceptor::{Acceptor, Closing};
use super::handle::ServerHandle;
use super::listener::Listener;
use super::shared::Shared;
use crate::greenlet::JoinError;
use crate::primitive::sync::Arc;
use crate::runtime::current_or_global;
use crate::scheduler::{self, Options};
use crate::wait::{JoinHandle, Shield};

/// How many connections a server has open at once, unless told.
const MAX_CONNECTIONS: usize = 65_536;

/// Accepts connections and gives each a greenlet of its own: see [the module](crate::net::server) for an example and for how it stops.
///
/// - **Bounded.** At the bound it accepts no more; who comes then waits in the kernel's backlog.
/// - **Spread.** Each connection goes to the hub that has the fewest, and stays there.
/// - **Patient.** When descriptors or memory run out, it waits until some are free, and does not spin meanwhile. The error of a
///   connection that was lost before it was accepted is passed over.
/// - **Unhurt.** A handler that panics ends its own connection, nothing else.
pub struct Server<L> {
    listener: L,
    bound: usize,
    shared: Arc<Shared>,
}

/// How a server has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "connections may have been killed"]
pub struct Served {
    drained: usize,
    killed: usize,
}

impl Served {
    /// How many connections were open at the stop, and came to their own end in time.
    #[must_use]
    pub fn drained(&self) -> usize {
        self.drained
    }

    /// How many were killed.
    #[must_use]
    pub fn killed(&self) -> usize {
        self.killed
    }
}

impl<L: Listener> Server<L> {
    /// A server for what comes from `listener`. It accepts nothing yet.
    #[must_use]
    pub fn new(listener: L) -> Server<L> {
        Server {
            listener,
            bound: MAX_CONNECTIONS,
            shared: Shared::new(),
        }
    }

    /// How many connections may be open at once; 65,536 unless told. At this bound it stops accepting until one ends.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn max_connections(mut self, bound: usize) -> Server<L> {
        assert!(bound > 0, "a server has room for one connection at least");
        self.bound = bound;
        self
    }

    /// What it accepts from.
    pub fn listener(&self) -> &L {
        &self.listener
    }

    /// A handle to stop it with, for its handlers and for others.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(&self.shared)
    }

    /// Serves until it has been [stopped](ServerHandle::stop), and all connections have ended. Each runs `handler` in a greenlet
    /// of its own, which settles on a hub of the caller's runtime; called from an OS thread, of the global one.
    ///
    /// If the caller is killed meanwhile, or its [`timeout`](crate::timeout) passes, the connections are killed, and have
    /// ended before the caller unwinds.
    ///
    /// # Errors
    ///
    /// If the listener is of no use any more, because it was shut down or is no listener. Before this returns the connections come to
    /// their own end, or to that of a stop.
    ///
    /// # Panics
    ///
    /// If a listener of the user's making panics, or no greenlet can be spawned.
    #[track_caller]
    pub fn serve<H>(self, handler: H) -> io::Result<Served>
    where
        H: Fn(L::Stream, L::Address) + Send + Sync + 'static,
    {
        let place = Location::caller();
        let shared = self.shared;
        let acceptor = Acceptor {
            shared: Arc::clone(&shared),
            listener: self.listener,
            handler: Arc::new(handler),
            bound: self.bound,
            place,
            _closing: Closing(Arc::clone(&shared)),
        };
        let spawned = current_or_global(|runtime| {
            shared.roll.spread_over(runtime.config().hubs);
            // SAFETY: the bounds of `Listener` and of the handler make the acceptor `Send` and `'static`; it does not migrate.
            unsafe { scheduler::spawn(runtime, Options::PLAIN, place, move || acceptor.run()) }
        });
        let acceptor = match spawned {
            Ok(joined) => JoinHandle::new(joined),
            Err(error) => panic!("could not spawn the greenlet that accepts: {error}"),
        };
        if !shared.roll.set_acceptor(acceptor.greenlet()) {
            acceptor.kill();
        }
        match catch_unwind(AssertUnwindSafe(|| wait_for_end(&shared, acceptor))) {
            Ok(accepting) => {
                let (drained, killed) = shared.roll.outcome();
                accepting.map(|()| Served { drained, killed })
            }
            Err(payload) => {
                // What unwinds must not wait: it waits here, and goes on after. First for the acceptor, which may just be
                // giving one more connection its greenlet.
                shared.stop(Some(Duration::ZERO));
                shielded(|| {
                    shared.closed.wait();
                    end(&shared);
                });
                resume_unwind(payload)
            }
        }
    }
}

/// Waits for the acceptor, which a stop ends, and then for the connections. Gives what the acceptor came to.
#[track_caller]
fn wait_for_end(shared: &Shared, acceptor: JoinHandle<io::Result<()>>) -> io::Result<()> {
    let accepting = match acceptor.join().map_err(JoinError::try_into_panic) {
        Ok(accepting) => accepting,
        // By the stop.
        Err(Err(_killed)) => Ok(()),
        Err(Ok(payload)) => resume_unwind(payload),
    };
    // If the listener broke, nobody has said so yet.
    shared.stop(None);
    if !shared.roll.wait_until_empty() {
        end(shared);
    }
    accepting
}

/// Kills whoever is connected, and waits for that.
#[track_caller]
fn end(shared: &Shared) {
    shared.kill_all();
    shared.roll.wait_for_the_last();
}

#[track_caller]
fn shielded<R>(f: impl FnOnce() -> R) -> R {
    let _shield = Shield::raise();
    f()
}

impl<L: fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("max_connections", &self.bound)
            .finish_non_exhaustive()
    }
}
