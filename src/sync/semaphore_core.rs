//! The protocol of [`Semaphore`](super::Semaphore): a number under the lock of the queue.
//!
//! Permits are *given*, under that lock, to whoever is first, as soon as there are enough; nobody else takes any before. So
//! none is lost to a waiter that withdraws, and none is overtaken. A waiter that withdraws lets those behind it look.

use std::time::Instant;

use crate::greenlet::WaitKind;
use crate::primitive::const_fn;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// So many permits, and those who wait for some; each tagged with how many.
#[derive(Debug)]
pub(crate) struct Permits(WaitQueue<usize>);

impl Permits {
    const_fn! {
        /// With so many.
        pub(crate) fn new(permits: usize) -> Permits {
            Permits(WaitQueue::new(permits))
        }
    }

    /// How many are there now.
    pub(crate) fn available(&self) -> usize {
        *self.0.lock()
    }

    /// Takes so many if they are there and nobody waits.
    pub(crate) fn try_acquire(&self, count: usize) -> bool {
        let mut permits = self.0.lock();
        let enough = *permits >= count && permits.is_empty();
        if enough {
            *permits -= count;
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
        let look = |permits: &mut Locked<'_, usize>, me: &Node| {
            let first = !permits.has_others(me, |_| true);
            (first && **permits >= count).then(|| **permits -= count)
        };
        !matches!(self.0.wait(wait, look, give), Waited::TimedOut)
    }

    /// Gives so many back.
    pub(crate) fn release(&self, count: usize) {
        if count > 0 {
            let mut permits = self.0.lock();
            *permits = permits.checked_add(count).expect("too many permits");
            give(&mut permits);
        }
    }
}

/// Gives what is there to those who come first.
fn give(permits: &mut Locked<'_, usize>) {
    while let Some(first) = permits.first() {
        let Some(left) = first.state().checked_sub(first.tag()) else {
            return;
        };
        // Whoever has them now cannot give them back before the lock is released.
        if first.complete(Token::Given) {
            **permits = left;
        }
    }
}
