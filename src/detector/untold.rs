//! What was found and is yet to be told, for whoever is about to let the process end.

use std::time::{Duration, Instant};

use crate::primitive::sync::{Arc, Condvar, Mutex};

/// How many reports are on their way.
#[derive(Debug, Default)]
pub(crate) struct OnTheirWay {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// One of them. It has been told, or nobody will tell it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Untold(Arc<OnTheirWay>);

impl OnTheirWay {
    /// One more.
    pub(crate) fn begin(self: &Arc<OnTheirWay>) -> Untold {
        *self.count.lock() += 1;
        Untold(Arc::clone(self))
    }

    /// Waits until all have been told, but no longer than `patience`.
    pub(crate) fn wait(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut count = self.count.lock();
        while *count > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            count = self.fewer.wait_timeout(count, left);
        }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.fewer.notify_all();
    }
}
