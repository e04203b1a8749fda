//! Who is inside: what a lock promises, checked without trusting it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::faults::Faults;

/// Counts who has a lock, beside the lock.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    writers: AtomicUsize,
    readers: AtomicUsize,
}

/// Somebody who has the lock. Dropped before the guard is.
#[must_use = "it leaves when this is dropped"]
pub(crate) struct Holder<'a> {
    count: &'a AtomicUsize,
    /// As the lock has promised: what it guards may be touched.
    pub(crate) is_sound: bool,
}

impl Inside {
    /// The caller has the lock, and nobody else may.
    pub(crate) fn alone(&self, lock: &str, faults: &Faults) -> Holder<'_> {
        let writers = self.writers.fetch_add(1, Ordering::SeqCst);
        let readers = self.readers.load(Ordering::SeqCst);
        let is_sound = writers == 0 && readers == 0;
        if !is_sound {
            faults.tell(format!(
                "{lock}: alone beside {writers} writers and {readers} readers"
            ));
        }
        Holder {
            count: &self.writers,
            is_sound,
        }
    }

    /// The caller has the lock, and no writer may.
    pub(crate) fn among_readers(&self, lock: &str, faults: &Faults) -> Holder<'_> {
        self.readers.fetch_add(1, Ordering::SeqCst);
        let writers = self.writers.load(Ordering::SeqCst);
        if writers > 0 {
            faults.tell(format!("{lock}: reads beside {writers} writers"));
        }
        Holder {
            count: &self.readers,
            is_sound: writers == 0,
        }
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Two words that are the same unless somebody is writing: what finds a torn write.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    first: u64,
    second: u64,
}

/// A write that has begun; whatever ends it, a kill among others, it is completed.
pub(crate) struct Writing<'a>(&'a mut Twins);

impl Twins {
    pub(crate) fn check(&self, lock: &str, faults: &Faults) {
        if self.first != self.second {
            faults.tell(format!(
                "{lock}: seen in the middle of a write, {} and {}",
                self.first, self.second
            ));
        }
    }

    /// Writes the first word now, and the second when the result is dropped.
    pub(crate) fn write(&mut self, lock: &str, faults: &Faults) -> Writing<'_> {
        self.check(lock, faults);
        self.first += 1;
        Writing(self)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.second += 1;
    }
}
