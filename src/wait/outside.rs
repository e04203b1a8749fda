//! Work that goes on outside of all hubs, and will wake somebody when it ends.
//!
//! A report of a deadlock asks for it: greenlets that all wait for one another will wait for ever, but not while a call that
//! one of them has offloaded still runs.

use crate::primitive::atomic::{AtomicUsize, Ordering};

static IN_PROGRESS: AtomicUsize = AtomicUsize::new(0);

/// A piece of such work, from before it is begun until whoever waits for it has been woken.
#[derive(Debug)]
pub(crate) struct Outside(());

impl Outside {
    /// It is about to begin.
    pub(crate) fn begin() -> Outside {
        // Relaxed: whoever waits for the work begins it before it parks, and a report that sees the park through the state of
        // the greenlet (acquired there) sees this, too.
        IN_PROGRESS.fetch_add(1, Ordering::Relaxed);
        Outside(())
    }

    /// How many there are in this process.
    pub(crate) fn in_progress() -> usize {
        IN_PROGRESS.load(Ordering::Acquire)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // Release: who reads the lower number sees that the waiter has been woken.
        IN_PROGRESS.fetch_sub(1, Ordering::Release);
    }
}
