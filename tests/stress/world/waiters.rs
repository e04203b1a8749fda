//! Who waits without an end of their own, and so has to be supplied: see `supply`.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many wait here.
#[derive(Debug, Default)]
pub(crate) struct Waiters(AtomicUsize);

/// One of them, until it is dropped.
#[must_use = "it waits no longer when this is dropped"]
pub(crate) struct Waiting<'a>(&'a Waiters);

impl Waiters {
    pub(crate) fn enter(&self) -> Waiting<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
