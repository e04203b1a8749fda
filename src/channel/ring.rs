//! A bounded queue without locks: a ring of slots, each with a *stamp* that says whose turn it is there.
//!
//! A position is a slot's number and how often the ring has gone round, in one word:
//!
//! ```text
//!   | round ...                | slot       | 00 |
//!                              log2(slots)    2 bits: how far the slot is
//! ```
//!
//! A slot's stamp is the position that may be claimed there next, as long as nobody has; then the same with [`WRITTEN`] or
//! [`GIVEN_UP`] in its last bits; and when that has been read or passed over, the same slot's position of the next round. A
//! sender claims a position by moving `tail`, a receiver reserves one by moving `head`; each then has the slot to itself until
//! it moves the stamp. This is Dmitry Vyukov's bounded queue (1024cores.net, "Bounded MPMC queue", 2010).
//!
//! A sender may claim a place first and fill it later, or give it up. The last one that was claimed is claimed by nobody then;
//! an earlier one counts until the receivers come to it, who pass over it.
//!
//! Nobody waits here for one who has claimed and not finished: the ring counts as full, or as empty, until then. So whoever
//! finishes must tell those who found it so, and whoever succeeds must pass on what others were told in vain
//! (`buffered.rs`).

use std::mem::MaybeUninit;
use std::ptr;

use crossbeam_utils::CachePadded;

use super::destructors::Panics;
use super::store::{Found, Place, Store};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::cell::UnsafeCell;

/// The queue.
#[derive(Debug)]
pub(super) struct Ring<T> {
    /// The next position to read.
    head: CachePadded<AtomicUsize>,
    /// The next position to write.
    tail: CachePadded<AtomicUsize>,
    slots: Box<[Slot<T>]>,
    /// From a slot's position to its next: a power of two, so that positions may wrap.
    round: usize,
}

#[derive(Debug)]
struct Slot<T> {
    stamp: AtomicUsize,
    message: UnsafeCell<MaybeUninit<T>>,
}

/// In a stamp: a message is there.
const WRITTEN: usize = 1;
/// In a stamp: none will be there.
const GIVEN_UP: usize = 2;
/// From a slot's position to that of the next slot.
const STEP: usize = 4;

// SAFETY: messages go from thread to thread; a slot is touched by one at a time, as the stamps have it.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Slot<T> {
    /// # Safety
    ///
    /// There is a message, which is the caller's.
    unsafe fn drop_message(&self) {
        // SAFETY: as the caller says.
        self.message
            .with_mut(|at| unsafe { (*at).assume_init_drop() });
    }
}

impl<T> Ring<T> {
    /// The most messages that a ring may have room for.
    pub(super) const MOST: usize = 1 << 16;

    /// Room for `capacity` messages, at least one.
    pub(super) fn new(capacity: usize) -> Ring<T> {
        assert!(
            (1..=Self::MOST).contains(&capacity),
            "a ring has room for some messages, and not for too many"
        );
        let slots = (0..capacity).map(|index| Slot {
            stamp: AtomicUsize::new(index * STEP),
            message: UnsafeCell::new(MaybeUninit::uninit()),
        });
        Ring {
            head: CachePadded::new(AtomicUsize::new(0)),
            tail: CachePadded::new(AtomicUsize::new(0)),
            slots: slots.collect(),
            round: capacity.next_power_of_two() * STEP,
        }
    }

    #[inline]
    fn index(&self, position: usize) -> usize {
        (position & (self.round - 1)) / STEP
    }

    #[inline]
    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[self.index(position)]
    }

    /// The position behind this one.
    #[inline]
    fn after(&self, position: usize) -> usize {
        if self.index(position) + 1 < self.slots.len() {
            position + STEP
        } else {
            (position & !(self.round - 1)).wrapping_add(self.round)
        }
    }

    /// The slot may be written in the next round.
    #[inline]
    fn free(&self, slot: &Slot<T>, position: usize) {
        // Release: the next round's writer must find the message out.
        slot.stamp
            .store(position.wrapping_add(self.round), Ordering::Release);
    }

    /// Moves `head` beyond this position: `Err` with where it is if another was faster.
    #[inline]
    fn pass(&self, position: usize) -> Result<(), usize> {
        // Relaxed: the stamps publish.
        self.head
            .compare_exchange_weak(
                position,
                self.after(position),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .map(|_| ())
    }
}

fn place(position: usize) -> Place {
    Place {
        block: ptr::null(),
        position,
    }
}

impl<T> Store for Ring<T> {
    type Message = T;

    #[inline]
    fn claim(&self) -> Option<Place> {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            // Acquire pairs with the release in `free`: what was there is out.
            let stamp = self.slot(tail).stamp.load(Ordering::Acquire);
            if stamp != tail {
                let now = self.tail.load(Ordering::Relaxed);
                if now == tail {
                    return None;
                }
                tail = now;
                continue;
            }
            // Relaxed: the stamps publish.
            match self.tail.compare_exchange_weak(
                tail,
                self.after(tail),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(place(tail)),
                Err(now) => tail = now,
            }
        }
    }

    #[inline(always)]
    unsafe fn fill(&self, place: Place, message: *const T) {
        let slot = self.slot(place.position);
        // SAFETY: the place is the caller's alone until the stamp says that it is written.
        slot.message
            .with_mut(|at| unsafe { at.cast::<T>().copy_from_nonoverlapping(message, 1) });
        // Release publishes the message to the receiver's acquire.
        slot.stamp
            .store(place.position + WRITTEN, Ordering::Release);
    }

    unsafe fn give_up(&self, place: Place) {
        let position = place.position;
        // The stamp still says that the position may be claimed, and it may if `tail` goes back. `tail` is where it would be
        // now if the place had not been claimed: there is nothing that another could have missed.
        let was_last = self.tail.compare_exchange(
            self.after(position),
            position,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if was_last.is_err() {
            // Release, so that whoever passes over it comes after.
            self.slot(position)
                .stamp
                .store(position + GIVEN_UP, Ordering::Release);
            // No receiver need come for it to be free, if it is the oldest.
            let mut head = self.head.load(Ordering::Relaxed);
            while self.slot(head).stamp.load(Ordering::Acquire) == head + GIVEN_UP {
                head = match self.pass(head) {
                    Ok(()) => {
                        self.free(self.slot(head), head);
                        self.after(head)
                    }
                    Err(now) => now,
                };
            }
        }
    }

    #[inline]
    fn reserve(&self) -> Option<Found> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(head);
            // Acquire pairs with the releases in `fill` and `give_up`.
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp == head + WRITTEN {
                match self.pass(head) {
                    Ok(()) => return Some(Found::Message(place(head))),
                    Err(now) => head = now,
                }
            } else if stamp == head + GIVEN_UP {
                match self.pass(head) {
                    Ok(()) => {
                        self.free(slot, head);
                        return Some(Found::GivenUp);
                    }
                    Err(now) => head = now,
                }
            } else {
                let now = self.head.load(Ordering::Relaxed);
                if now == head {
                    // Empty, or its writer has not finished: it will tell.
                    return None;
                }
                head = now;
            }
        }
    }

    #[inline(always)]
    unsafe fn take(&self, place: Place, into: *mut T) {
        let slot = self.slot(place.position);
        // SAFETY: a message has been written, and is the caller's alone until the stamp moves on.
        slot.message
            .with_mut(|at| unsafe { into.copy_from_nonoverlapping(at.cast(), 1) });
        self.free(slot, place.position);
    }

    unsafe fn discard(&self, place: Place) {
        let slot = self.slot(place.position);
        let mut panics = Panics::default();
        // SAFETY: as in `take`.
        panics.catch(|| unsafe { slot.drop_message() });
        self.free(slot, place.position);
        panics.resume();
    }

    fn has_room(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst);
        let stamp = self.slot(tail).stamp.load(Ordering::SeqCst);
        // Of the round before: not yet read. Out of date: look again.
        stamp == tail || self.tail.load(Ordering::SeqCst) != tail
    }

    fn has_message(&self) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        let stamp = self.slot(head).stamp.load(Ordering::SeqCst);
        // Of the round before: reserved, and not yet read. Out of date: look again.
        stamp == head + WRITTEN
            || stamp == head + GIVEN_UP
            || self.head.load(Ordering::SeqCst) != head
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            let head = self.head.load(Ordering::SeqCst);
            if self.tail.load(Ordering::SeqCst) == tail {
                let (first, end) = (self.index(head), self.index(tail));
                return if first < end {
                    end - first
                } else if first > end || head != tail {
                    self.slots.len() - first + end
                } else {
                    0
                };
            }
        }
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.slots.len())
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        let tail = self.tail.load(Ordering::Relaxed);
        let mut position = self.head.load(Ordering::Relaxed);
        while position != tail {
            let slot = self.slot(position);
            if slot.stamp.load(Ordering::Relaxed) == position + WRITTEN {
                // SAFETY: nobody else is there.
                panics.catch(|| unsafe { slot.drop_message() });
            }
            position = self.after(position);
        }
        panics.resume();
    }
}
