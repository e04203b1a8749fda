//! How the watchdog sleeps while no hub runs, and is woken by the first that does.
//!
//! # No slice goes unwatched
//!
//! The watchdog (1) says that it sleeps, (2) fences, (3) looks whether any hub is awake, and only sleeps if none is. A hub
//! that was idle (a) counts as awake, (b) fences, (c) looks whether the watchdog sleeps, and wakes it before it runs a greenlet. Both
//! fences are `SeqCst`, so one comes first: if the watchdog's, (c) sees that it sleeps; if the hub's, (3) sees the hub. That the
//! number of awake hubs is right is `scheduler/idle.rs`'s affair.

use crate::primitive::atomic::{AtomicBool, Ordering, fence};

/// Whether the watchdog sleeps.
#[derive(Debug)]
pub(crate) struct Slumber(AtomicBool);

impl Slumber {
    /// It is awake.
    pub(crate) fn new() -> Slumber {
        Slumber(AtomicBool::new(false))
    }

    /// The watchdog, about to sleep: it must then look whether all hubs are idle.
    pub(crate) fn enter(&self) {
        // Relaxed: the fence orders it.
        self.0.store(true, Ordering::Relaxed);
        // (2) of the proof.
        fence(Ordering::SeqCst);
    }

    /// The watchdog: it is awake.
    pub(crate) fn leave(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// A hub that counts as awake, and was idle: `true` if it must wake the watchdog.
    #[must_use = "a watchdog that sleeps sees nothing"]
    pub(crate) fn ends(&self) -> bool {
        // (b) of the proof.
        fence(Ordering::SeqCst);
        // Of several hubs one wakes it.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
