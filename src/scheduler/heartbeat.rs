//! What a hub lets others know of its work: counters that it alone writes.
//!
//! Each counter has one writer, so counting is a plain load, an addition and a plain store, never a locked instruction.
//! Readers see each counter's recent value, and no order between them.

use super::running::Running;
use crate::greenlet::Header;
use crate::primitive::atomic::{AtomicU64, Ordering};

/// A number that one thread raises and any may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// The writer: adds `count`.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// The value at some recent moment.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One hub's counters, written by the hub's own thread.
pub(crate) struct Heartbeat {
    /// Its slices, and the greenlet of the present one.
    pub(crate) running: Running<Header>,
    /// Stretches for which a greenlet was meant to block that have ended here.
    pub(crate) excuses: Counter,
    /// Greenlets taken out of the hub's inbox.
    pub(crate) taken_in: Counter,
    /// Greenlets spawned here.
    pub(crate) spawned: Counter,
    /// Greenlets that had their first slice here.
    pub(crate) started: Counter,
    /// Greenlets that ended here, having started somewhere.
    pub(crate) finished: Counter,
    /// Greenlets that this hub let go of unstarted.
    pub(crate) cancelled: Counter,
    /// Greenlets that this hub stole.
    pub(crate) stolen: Counter,
    /// Thefts that this hub made: each brings a batch.
    pub(crate) thefts: Counter,
    /// Parks committed.
    pub(crate) parks: Counter,
    /// Times that this hub notified another.
    pub(crate) notifies: Counter,
    /// Times that this hub looked at its poller, blocking or not.
    pub(crate) polls: Counter,
    /// Times that this hub blocked in its poller.
    pub(crate) idles: Counter,
    /// Greenlets ready in the queue that only the hub itself sees, as of its last maintenance.
    pub(crate) queued: Counter,
    /// Greenlets that others stole from here. The one counter with many writers, the thieves.
    robbed: AtomicU64,
}

impl Heartbeat {
    /// That of a hub that has done nothing yet.
    pub(crate) fn new() -> Heartbeat {
        Heartbeat {
            running: Running::new(),
            excuses: Counter::default(),
            taken_in: Counter::default(),
            spawned: Counter::default(),
            started: Counter::default(),
            finished: Counter::default(),
            cancelled: Counter::default(),
            stolen: Counter::default(),
            thefts: Counter::default(),
            parks: Counter::default(),
            notifies: Counter::default(),
            polls: Counter::default(),
            idles: Counter::default(),
            queued: Counter::default(),
            robbed: AtomicU64::new(0),
        }
    }

    /// The writer: sets how many wait in the hub's own queue.
    pub(crate) fn set_queued(&self, count: usize) {
        self.queued.0.store(count as u64, Ordering::Relaxed);
    }

    /// A thief: so many were taken from here.
    pub(crate) fn robbed_of(&self, count: u64) {
        self.robbed.fetch_add(count, Ordering::Relaxed);
    }

    /// How many were taken from here.
    pub(crate) fn robbed(&self) -> u64 {
        self.robbed.load(Ordering::Relaxed)
    }
}
