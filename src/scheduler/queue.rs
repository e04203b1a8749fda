//! The queues that hubs steal from: crossbeam's deque and injector, and nothing of them elsewhere.
//!
//! They hold fresh greenlets, and migrating ones that are ready. All are first-in first-out, so greenlets begin in the
//! order in which they were spawned, and a server under load does not starve its oldest connection. With one exception:
//! on a hub that is *crowded* with started greenlets the youngest fresh one begins first. A tree of greenlets that spawn
//! and join is then walked depth first, and a million of them need a few thousand stacks instead of a hundred thousand.

use std::cell::Cell;
use std::fmt;

use crossbeam_deque::{Injector as DequeInjector, Steal, Stealer as DequeStealer, Worker};

use crate::greenlet::Ready;

/// The most greenlets that one theft moves: half of what is there, up to this.
const BATCH: usize = 32;

/// How often in a row the youngest is preferred before the oldest has its turn.
const YOUNGEST_IN_A_ROW: u32 = 16;

/// A hub's own end.
pub(crate) struct Queue {
    orderly: Worker<Ready>,
    /// What was pushed while the hub was crowded.
    crowded: Worker<Ready>,
    /// There may be something in `crowded`: spares most turns a look.
    is_crowded: Cell<bool>,
    youngest_in_a_row: Cell<u32>,
}

/// Everyone else's end.
pub(crate) struct Stealer {
    orderly: DequeStealer<Ready>,
    crowded: DequeStealer<Ready>,
}

/// Where greenlets from outside the lane's hubs wait.
pub(crate) struct Injector(DequeInjector<Ready>);

/// What a theft brought.
#[derive(Debug)]
pub(crate) struct Loot {
    /// The first of them, to be run.
    pub(crate) first: Ready,
    /// How many there were in all; the others are in the thief's queue.
    pub(crate) count: usize,
}

impl Queue {
    /// An empty queue and its other end.
    pub(crate) fn new() -> (Queue, Stealer) {
        let (orderly, crowded) = (Worker::new_fifo(), Worker::new_lifo());
        let stealer = Stealer {
            orderly: orderly.stealer(),
            crowded: crowded.stealer(),
        };
        (
            Queue {
                orderly,
                crowded,
                is_crowded: Cell::new(false),
                youngest_in_a_row: Cell::new(0),
            },
            stealer,
        )
    }

    /// Adds one at the end.
    #[inline]
    pub(crate) fn push(&self, ready: Ready) {
        self.orderly.push(ready);
    }

    /// Adds one that is to begin before the others, because the hub is crowded.
    #[inline]
    pub(crate) fn push_first(&self, ready: Ready) {
        self.is_crowded.set(true);
        self.crowded.push(ready);
    }

    /// Takes the next.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Ready> {
        if self.is_crowded.get() {
            self.pop_crowded()
        } else {
            self.orderly.pop()
        }
    }

    #[cold]
    fn pop_crowded(&self) -> Option<Ready> {
        self.is_crowded.set(!self.crowded.is_empty());
        let row = self.youngest_in_a_row.get();
        if row < YOUNGEST_IN_A_ROW {
            self.youngest_in_a_row.set(row + 1);
            self.crowded.pop().or_else(|| self.orderly.pop())
        } else {
            self.youngest_in_a_row.set(0);
            self.orderly.pop().or_else(|| self.crowded.pop())
        }
    }

    /// How many are in it.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.orderly.len() + self.crowded.len()
    }

    /// Shows each to `f`. They cannot be looked at in their place: each is taken out at the old end and pushed at the young
    /// one, once round, so that the order stays. A thief may get some meanwhile; whoever relied on what was in hand must
    /// be notified as of any push.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Ready)) {
        for worker in [&self.orderly, &self.crowded] {
            let oldest = worker.stealer();
            for _ in 0..worker.len() {
                let Some(ready) = retried(|| oldest.steal()) else {
                    break;
                };
                f(&ready);
                worker.push(ready);
            }
        }
    }
}

impl Stealer {
    /// How many there are to steal.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.orderly.len() + self.crowded.len()
    }

    /// Moves half of the victim's greenlets, the oldest, to the thief's queue.
    pub(crate) fn steal_batch(&self, thief: &Queue) -> Option<Loot> {
        let steal_from = |victim: &DequeStealer<Ready>| {
            loot(thief, || {
                victim.steal_batch_with_limit_and_pop(&thief.orderly, BATCH)
            })
        };
        steal_from(&self.orderly).or_else(|| steal_from(&self.crowded))
    }

    /// Any thread: takes the oldest.
    pub(crate) fn take(&self) -> Option<Ready> {
        retried(|| self.orderly.steal()).or_else(|| retried(|| self.crowded.steal()))
    }
}

impl Injector {
    /// Nothing waits.
    pub(crate) fn new() -> Injector {
        Injector(DequeInjector::new())
    }

    /// Any thread: adds one.
    pub(crate) fn push(&self, ready: Ready) {
        self.0.push(ready);
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A hub: moves some of the oldest to its queue.
    pub(crate) fn take_batch(&self, hub: &Queue) -> Option<Loot> {
        loot(hub, || {
            self.0.steal_batch_with_limit_and_pop(&hub.orderly, BATCH)
        })
    }

    /// A hub: moves some of the oldest to the end of its queue, in their order.
    pub(crate) fn move_batch(&self, hub: &Queue) {
        while self
            .0
            .steal_batch_with_limit(&hub.orderly, BATCH)
            .is_retry()
        {
            crate::primitive::spin_loop();
        }
    }

    /// Any thread: takes the oldest.
    pub(crate) fn take(&self) -> Option<Ready> {
        retried(|| self.0.steal())
    }
}

fn loot(queue: &Queue, steal: impl FnMut() -> Steal<Ready>) -> Option<Loot> {
    let before = queue.orderly.len();
    let first = retried(steal)?;
    Some(Loot {
        first,
        count: 1 + queue.orderly.len().saturating_sub(before),
    })
}

fn retried(mut steal: impl FnMut() -> Steal<Ready>) -> Option<Ready> {
    loop {
        match steal() {
            Steal::Success(ready) => return Some(ready),
            Steal::Empty => return None,
            Steal::Retry => crate::primitive::spin_loop(),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish()
    }
}

impl fmt::Debug for Stealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stealer").field("len", &self.len()).finish()
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector")
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::{Queue, Ready};
    use crate::greenlet::Header;

    fn ready(number: usize) -> Ready {
        let address = std::ptr::without_provenance_mut::<Header>(number * align_of::<Header>());
        // SAFETY: the queue does not look at what it holds, and nobody else gets it.
        unsafe { Ready::from_raw(NonNull::new(address).unwrap()) }
    }

    fn number(ready: &Ready) -> usize {
        ready.as_ptr().as_ptr().addr() / align_of::<Header>()
    }

    #[test]
    fn to_be_shown_changes_no_order() {
        let (queue, _stealer) = Queue::new();
        (1..=3).for_each(|number| queue.push(ready(number)));
        (4..=6).for_each(|number| queue.push_first(ready(number)));
        for _ in 0..2 {
            let mut seen = Vec::new();
            queue.for_each(|ready| seen.push(number(ready)));
            assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
        }
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        let taken: Vec<_> = taken.iter().map(number).collect();
        // The youngest first, as the hub is crowded, then the oldest.
        assert_eq!(taken, [6, 5, 4, 1, 2, 3]);
    }
}
