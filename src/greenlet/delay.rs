//! What holds a greenlet back that is to begin later, so that a kill can let go of it at once.

use std::fmt;
use std::ptr;

use crate::primitive::atomic::{AtomicPtr, Ordering};

/// Takes the greenlet out of its timer, and gives up whatever it holds.
type Release = Box<dyn FnOnce() + Send>;

/// The place for at most one such function; empty for most greenlets. One word, as every header has it.
pub(crate) struct Delay(AtomicPtr<Release>);

impl Delay {
    pub(super) fn none() -> Delay {
        Delay(AtomicPtr::new(ptr::null_mut()))
    }

    /// The spawner, once: the greenlet waits in a timer, and `release` takes it out.
    pub(crate) fn set(&self, release: Release) {
        let release = Box::into_raw(Box::new(release));
        // Release publishes the function to whoever takes it.
        self.0.store(release, Ordering::Release);
    }

    /// The killer of the fresh greenlet: takes it out of its timer.
    pub(super) fn release(&self) {
        if let Some(release) = self.take() {
            release();
        }
    }

    /// Nobody needs to take it out any more.
    #[inline]
    pub(crate) fn clear(&self) {
        if !self.0.load(Ordering::Relaxed).is_null() {
            drop(self.take());
        }
    }

    fn take(&self) -> Option<Release> {
        // Acquire pairs with the release in `set`; the swap lets one taker win.
        let release = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: made by `Box::into_raw` in `set`, and taken once.
        (!release.is_null()).then(|| *unsafe { Box::from_raw(release) })
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").finish_non_exhaustive()
    }
}
