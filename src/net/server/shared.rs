//! What a server shares with its handles and its connections.

use std::time::Duration;

use super::idlers::Idlers;
use super::roll::Roll;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::primitive::sync::Arc;
use crate::sync::Event;
use crate::wait::deadline_after;

/// One server's common state.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) roll: Arc<Roll>,
    pub(super) idlers: Idlers,
    /// Set once, when the stop begins: what is asked where nobody may give way, under a lock. Before `stopping`.
    has_stop_begun: AtomicBool,
    /// The same, to be waited for.
    pub(super) stopping: Event,
    /// Set when the acceptor has ended and its listener is closed.
    pub(super) closed: Event,
    /// Connections that were closed at once, because no greenlet could be had for them.
    pub(super) rejected: Count,
    /// Attempts to accept that found no descriptor or no memory.
    pub(super) starved: Count,
}

/// A figure that orders nothing.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Shared {
    pub(super) fn new() -> Arc<Shared> {
        Arc::new(Shared {
            roll: Roll::new(),
            idlers: Idlers::default(),
            has_stop_begun: AtomicBool::new(false),
            stopping: Event::new(),
            closed: Event::new(),
            rejected: Count::default(),
            starved: Count::default(),
        })
    }

    /// The stop has begun.
    pub(super) fn is_stopping(&self) -> bool {
        // Acquire: who sees it may wait for what the one who stops has done before.
        self.has_stop_begun.load(Ordering::Acquire)
    }

    /// Begins the stop, or hastens it. `None`: those who are connected have all the time that they want.
    pub(super) fn stop(&self, patience: Option<Duration>) {
        // A time too long to be expressed is for ever.
        let acceptor = self.roll.begin_stop(patience.and_then(deadline_after));
        // Before the idlers are looked at: see there. Their locks order it.
        self.has_stop_begun.store(true, Ordering::Release);
        self.stopping.set();
        if let Some(acceptor) = acceptor {
            acceptor.kill();
        }
        self.idlers.nudge_all();
    }

    /// Kills whoever is left.
    pub(super) fn kill_all(&self) {
        for greenlet in self.roll.begin_killing() {
            self.idlers.kill(&greenlet);
        }
    }
}
