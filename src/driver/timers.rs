//! What is to happen when.
//!
//! A heap orders the deadlines; a table of slots holds what is armed. Cancelling empties the slot and leaves the heap's
//! entry behind, *stale*: its sequence number is not the slot's any more. Stale entries are skipped when they come up,
//! and swept out when they outnumber the armed ones, so that a cancellation costs constant time on average, however far
//! off its deadline was.
//!
//! ```text
//!   heap   | at 17, #5, slot 2 | at 20, #3, slot 0 | at 25, #4, slot 1 |      24 bytes each, at most two a timer
//!   slots  | #3: unpark A | free -> none | #5: start B |                      8 bytes more than what is fired
//! ```
//!
//! Whoever removes a timer from its slot, under the lock, owns what it does. So a timer is fired or cancelled or drained,
//! never two of these: a cancellation that finds nothing comes after the firing has begun, and the wake-up may still be
//! on its way then, spurious for whoever waits next.

use std::time::{Duration, Instant};

use super::heap::{Entry, Heap};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::primitive::sync::Mutex;

/// Nothing is armed.
const NEVER: u64 = u64::MAX;

/// The first deadline was cancelled: the next one is found under the lock.
const UNKNOWN: u64 = 0;

/// How many timers one hold of the lock takes out.
const BATCH: usize = 32;

/// This many stale entries are never worth a sweep.
const FEW: usize = 64;

/// An empty table keeps room for this many timers.
const KEPT: usize = 4096;

const NO_SLOT: u32 = u32::MAX;

/// Timers that yield an `F` each.
#[derive(Debug)]
pub(crate) struct Timers<F> {
    /// Where the nanoseconds count from.
    base: Instant,
    /// The first deadline, or `NEVER`, or `UNKNOWN`; never later than the first deadline. Written under the lock.
    next: AtomicU64,
    table: Mutex<Table<F>>,
}

#[derive(Debug)]
struct Table<F> {
    heap: Heap,
    slots: Vec<Slot<F>>,
    /// The first free slot, or `NO_SLOT`.
    free: u32,
    /// How many are armed: the heap's other entries are stale.
    armed: usize,
    /// The next timer's number. It never repeats, so it tells a slot's timers apart, and it keeps the order of those that
    /// are due at the same moment.
    sequence: u64,
}

#[derive(Debug)]
enum Slot<F> {
    Free { next: u32 },
    Armed { sequence: u64, fire: F },
}

/// Names an armed timer. It stays its own: no later timer has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    sequence: u64,
    slot: u32,
}

impl<F> Timers<F> {
    /// None armed.
    pub(crate) fn new() -> Timers<F> {
        Timers {
            base: Instant::now(),
            next: AtomicU64::new(NEVER),
            table: Mutex::new(Table {
                heap: Heap::new(),
                slots: Vec::new(),
                free: NO_SLOT,
                armed: 0,
                sequence: 0,
            }),
        }
    }

    /// Arms a timer. From any thread; a hub that may be blocked until a later deadline must be notified then
    /// (`Driver::arm_remote` does both).
    pub(crate) fn arm(&self, at: Instant, fire: F) -> TimerKey {
        self.arm_and_tell(at, fire).0
    }

    /// Arms a timer, and says whether it is now the first one.
    pub(super) fn arm_and_tell(&self, at: Instant, fire: F) -> (TimerKey, bool) {
        let at = self.nanoseconds(at);
        let mut table = self.table.lock();
        let key = table.arm(at, fire);
        // Relaxed, here and wherever `next` is used: it is a hint. What it speaks of is read under the lock; and a hub
        // that has blocked for a later deadline is woken by a system call, not by this store.
        let first = at < self.next.load(Ordering::Relaxed);
        if first {
            self.next.store(at, Ordering::Relaxed);
        }
        (key, first)
    }

    /// Disarms a timer. `None` when it has fired.
    pub(crate) fn cancel(&self, key: TimerKey) -> Option<F> {
        let mut table = self.table.lock();
        let fire = table.disarm(key)?;
        if table.armed == 0 {
            // The common case of one greenlet with a timeout leaves nothing behind.
            table.reset();
            self.next.store(NEVER, Ordering::Relaxed);
        } else if table
            .heap
            .peek()
            .is_some_and(|first| first.sequence == key.sequence)
        {
            self.next.store(UNKNOWN, Ordering::Relaxed);
        }
        table.sweep_if_worth_it();
        Some(fire)
    }

    /// Something may be armed.
    pub(crate) fn may_be_armed(&self) -> bool {
        self.next.load(Ordering::Relaxed) != NEVER
    }

    /// The first deadline. One load, unless the first timer was just cancelled.
    pub(crate) fn next(&self) -> Option<Instant> {
        let mut next = self.next.load(Ordering::Relaxed);
        if next == UNKNOWN {
            let mut table = self.table.lock();
            next = table.first().map_or(NEVER, |first| first.at);
            self.next.store(next, Ordering::Relaxed);
        }
        if next == NEVER {
            None
        } else {
            self.base.checked_add(Duration::from_nanos(next))
        }
    }

    /// Takes out what is due at `now`, in the order of the deadlines, and hands each to `run` with no lock held.
    pub(crate) fn fire(&self, now: Instant, mut run: impl FnMut(F)) -> usize {
        // Rounded down, as the deadlines are rounded up: nothing is fired early. `NEVER` is never due.
        let now = nanoseconds_between(self.base, now).min(NEVER - 1);
        let mut fired = 0;
        while self.next.load(Ordering::Relaxed) <= now {
            let mut due = [const { None }; BATCH];
            let mut count = 0;
            let mut table = self.table.lock();
            let next = loop {
                match table.first() {
                    None => break NEVER,
                    Some(first) if first.at > now || count == BATCH => break first.at,
                    Some(first) => {
                        due[count] = table.disarm(TimerKey {
                            sequence: first.sequence,
                            slot: first.slot,
                        });
                        count += 1;
                    }
                }
            };
            if table.armed == 0 {
                table.reset();
            }
            self.next.store(next, Ordering::Relaxed);
            drop(table);
            due.into_iter().flatten().for_each(&mut run);
            fired += count;
        }
        fired
    }

    /// Takes out everything, due or not, in no order.
    pub(crate) fn drain(&self) -> Vec<F> {
        let mut table = self.table.lock();
        let slots = std::mem::take(&mut table.slots);
        table.armed = 0;
        table.reset();
        self.next.store(NEVER, Ordering::Relaxed);
        drop(table);
        let fire = |slot| match slot {
            Slot::Armed { fire, .. } => Some(fire),
            Slot::Free { .. } => None,
        };
        slots.into_iter().filter_map(fire).collect()
    }

    /// Shows to `f` what is armed, in no order. `f` runs under the lock: it must be quick, and arm and cancel nothing.
    pub(crate) fn for_each(&self, mut f: impl FnMut(Instant, &F)) {
        let table = self.table.lock();
        for entry in table.heap.iter() {
            if let Some(Slot::Armed { sequence, fire }) = table.slots.get(entry.slot as usize) {
                if *sequence == entry.sequence {
                    f(self.base + Duration::from_nanos(entry.at), fire);
                }
            }
        }
    }

    /// How many are armed.
    pub(crate) fn len(&self) -> usize {
        self.table.lock().armed
    }

    /// A deadline's place on the heap, rounded up to a whole nanosecond. Beyond five centuries it is five centuries.
    fn nanoseconds(&self, at: Instant) -> u64 {
        // `Instant` counts in nanoseconds on every Unix, so nothing is rounded here.
        nanoseconds_between(self.base, at).clamp(UNKNOWN + 1, NEVER - 1)
    }
}

impl<F> Table<F> {
    fn arm(&mut self, at: u64, fire: F) -> TimerKey {
        let sequence = self.sequence;
        self.sequence += 1;
        let armed = Slot::Armed { sequence, fire };
        let slot = self.free;
        let slot = match self.slots.get_mut(slot as usize) {
            Some(place) => {
                if let Slot::Free { next } = std::mem::replace(place, armed) {
                    self.free = next;
                }
                slot
            }
            None => {
                self.slots.push(armed);
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 timers on one hub")
            }
        };
        self.heap.push(Entry { at, sequence, slot });
        self.armed += 1;
        TimerKey { sequence, slot }
    }

    /// Empties the timer's slot, if it is still armed. Its entry in the heap turns stale.
    fn disarm(&mut self, key: TimerKey) -> Option<F> {
        if !self.is_armed(key.slot, key.sequence) {
            return None;
        }
        let free = Slot::Free { next: self.free };
        match std::mem::replace(&mut self.slots[key.slot as usize], free) {
            Slot::Armed { fire, .. } => {
                self.free = key.slot;
                self.armed -= 1;
                Some(fire)
            }
            Slot::Free { .. } => None,
        }
    }

    fn is_armed(&self, slot: u32, sequence: u64) -> bool {
        matches!(self.slots.get(slot as usize), Some(Slot::Armed { sequence: armed, .. }) if *armed == sequence)
    }

    /// The first entry that is not stale.
    fn first(&mut self) -> Option<Entry> {
        loop {
            let first = *self.heap.peek()?;
            if self.is_armed(first.slot, first.sequence) {
                return Some(first);
            }
            self.heap.pop();
        }
    }

    fn sweep_if_worth_it(&mut self) {
        let stale = self.heap.len() - self.armed;
        if stale > self.armed + FEW {
            let mut heap = std::mem::take(&mut self.heap);
            heap.retain(|entry| self.is_armed(entry.slot, entry.sequence));
            self.heap = heap;
        }
    }

    /// Nothing is armed: forgets the stale entries, and gives back what a peak has taken.
    fn reset(&mut self) {
        debug_assert_eq!(self.armed, 0);
        if self.slots.capacity() > KEPT {
            self.heap = Heap::new();
            self.slots = Vec::new();
        } else {
            self.heap.clear();
            self.slots.clear();
        }
        self.free = NO_SLOT;
    }
}

fn nanoseconds_between(base: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(base).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
#[path = "timers_tests.rs"]
mod tests;
