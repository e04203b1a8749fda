//! The protocol of [`Semaphore`](super::Semaphore): numbers under the lock of the queue.
//!
//! Permits are *given*, under that lock, to whoever is first, as soon as there are enough; nobody else takes any before. So
//! none is lost to a waiter that withdraws, and none is overtaken. A waiter that withdraws lets those behind it look.

use std::time::Instant;

use crate::greenlet::WaitKind;
use crate::primitive::const_fn;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// So many permits, and those who wait for some; each tagged with how many.
#[derive(Debug)]
pub(crate) struct Permits(WaitQueue<Supply>);

/// What there is. Those that somebody has are in neither number, so giving them back cannot overflow: at most `usize::MAX -
/// room` exist.
#[derive(Debug)]
pub(crate) struct Supply {
    available: usize,
    /// How many may be added for good.
    room: usize,
}

impl Permits {
    const_fn! {
        /// With so many.
        pub(crate) fn new(permits: usize) -> Permits {
            Permits(WaitQueue::new(Supply {
                available: permits,
                room: usize::MAX - permits,
            }))
        }
    }

    /// How many are there now.
    pub(crate) fn available(&self) -> usize {
        self.0.lock().available
    }

    /// Takes so many if they are there and nobody waits.
    pub(crate) fn try_acquire(&self, count: usize) -> bool {
        let mut supply = self.0.lock();
        let enough = supply.available >= count && supply.is_empty();
        if enough {
            supply.available -= count;
        }
        enough
    }

    /// Takes so many, waiting for them until the deadline: `false` if that has passed.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn acquire(&self, count: usize, deadline: Option<Instant>) -> bool {
        if self.try_acquire(count) {
            return true;
        }
        let mut wait = Wait::new(WaitKind::Semaphore, deadline);
        wait.tag = count;
        let look = |supply: &mut Locked<'_, Supply>, me: &Node| {
            let first = !supply.has_others(me, |_| true);
            (first && supply.available >= count).then(|| supply.available -= count)
        };
        !matches!(self.0.wait(wait, look, give), Waited::TimedOut)
    }

    /// Gives so many back, which were acquired.
    pub(crate) fn release(&self, count: usize) {
        if count > 0 {
            let mut supply = self.0.lock();
            supply.available += count;
            give(&mut supply);
        }
    }

    /// Adds so many for good. `false`: there would be too many, those that somebody has counted in, and none is added.
    #[must_use]
    pub(crate) fn add(&self, count: usize) -> bool {
        let mut supply = self.0.lock();
        let Some(room) = supply.room.checked_sub(count) else {
            return false;
        };
        supply.room = room;
        supply.available += count;
        give(&mut supply);
        true
    }

    /// So many, which were acquired, never come back.
    pub(crate) fn forget(&self, count: usize) {
        self.0.lock().room += count;
    }
}

/// Gives what is there to those who come first.
fn give(supply: &mut Locked<'_, Supply>) {
    while let Some(first) = supply.first() {
        let Some(left) = first.state().available.checked_sub(first.tag()) else {
            return;
        };
        // Whoever has them now cannot give them back before the lock is released.
        if first.complete(Token::Given) {
            supply.available = left;
        }
    }
}
