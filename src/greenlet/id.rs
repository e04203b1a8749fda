//! A greenlet's number.

use std::fmt;
use std::num::NonZeroU64;

use crate::primitive::atomic::{AtomicU64, Ordering};

/// A number that no other greenlet of this process has, or has had.
///
/// Numbers grow roughly in the order of spawning, but not exactly: each hub hands out its own.
///
/// ```
/// let (mine, child) = greenhub::run(|| {
///     let child = greenhub::spawn(|| greenhub::current().id());
///     (greenhub::current().id(), child.join().unwrap())
/// });
/// assert_ne!(mine, child);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GreenletId(NonZeroU64);

impl GreenletId {
    /// The bare number.
    #[must_use]
    pub fn as_u64(self) -> NonZeroU64 {
        self.0
    }
}

impl fmt::Display for GreenletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How many numbers a hub takes at once, so that hubs do not fight over one counter.
const BLOCK: u64 = 256;

/// The first number that nobody has taken.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Numbers set aside for one owner.
#[derive(Debug)]
pub(crate) struct IdBlock {
    next: u64,
    end: u64,
}

impl IdBlock {
    /// An empty block: the first [`IdBlock::take`] fills it.
    pub(crate) const fn empty() -> IdBlock {
        IdBlock { next: 0, end: 0 }
    }

    /// A number of its own for one greenlet.
    #[inline]
    pub(crate) fn take(&mut self) -> GreenletId {
        if self.next == self.end {
            self.next = claim(BLOCK);
            self.end = self.next + BLOCK;
        }
        let id = self.next;
        self.next += 1;
        number(id)
    }
}

impl GreenletId {
    /// A number for a greenlet that is spawned from outside every hub.
    pub(crate) fn single() -> GreenletId {
        number(claim(1))
    }
}

fn claim(count: u64) -> u64 {
    // Relaxed: the counter orders nothing, it only never gives a number twice.
    NEXT.fetch_add(count, Ordering::Relaxed)
}

fn number(id: u64) -> GreenletId {
    // Counting starts at 1, and 2^64 spawns take centuries.
    GreenletId(NonZeroU64::new(id).expect("the greenlet counter has wrapped around"))
}
