//! What was reserved and is nobody's again.

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::Mutex;

/// Messages that somebody had selected and did not receive, by where they are. The next receivers get them before all others.
/// They are few, and rare: whoever looks for one reads a word that hardly ever changes.
///
/// Whoever puts one back fences and tells one waiter, as a sender does (`buffered.rs`, "No wake-up is lost").
#[derive(Debug)]
pub(super) struct Returned<V> {
    /// How many there are: written under the lock, read without it.
    len: AtomicUsize,
    /// Each with its position, and in the order of these.
    values: Mutex<Vec<(usize, V)>>,
}

impl<V> Returned<V> {
    /// None.
    pub(super) fn new() -> Returned<V> {
        Returned {
            len: AtomicUsize::new(0),
            values: Mutex::new(Vec::new()),
        }
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Puts one back, before those of later positions. Positions may wrap.
    pub(super) fn put(&self, position: usize, value: V) {
        let mut values = self.values.lock();
        let at = values.partition_point(|(other, _)| other.wrapping_sub(position) as isize <= 0);
        values.insert(at, (position, value));
        self.len.store(values.len(), Ordering::Relaxed);
    }

    /// Takes the first, if there is one.
    #[inline]
    pub(super) fn take(&self) -> Option<V> {
        if self.len() == 0 {
            None
        } else {
            self.take_slowly()
        }
    }

    #[cold]
    fn take_slowly(&self) -> Option<V> {
        let mut values = self.values.lock();
        let first = (!values.is_empty()).then(|| values.remove(0).1);
        self.len.store(values.len(), Ordering::Relaxed);
        first
    }
}
