//! A bounded queue without locks: a ring of slots, each with a *stamp* that says whose turn it is there.
//!
//! Positions count up for ever. A position's slot is its remainder by the number of slots; the stamp of a slot is the
//! position that may be written there or, once it is written, that position plus one; when it has been read, the position
//! of the next round. A sender claims a position by moving `tail`, a receiver by moving `head`; each then has the slot to
//! itself until it moves the stamp. This is Dmitry Vyukov's bounded queue
//! (1024cores.net, "Bounded MPMC queue", 2010).
//!
//! A sender may claim a place first and fill it later, or give it up: then it holds nothing, and receivers pass over it.
//!
//! Nobody waits here for one who has claimed and not finished: the ring counts as full, or as empty, until then. So whoever
//! finishes must tell those who found it so, and whoever succeeds must pass on what others were told in vain
//! (`buffered.rs`).

use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::cell::UnsafeCell;

/// The queue.
#[derive(Debug)]
pub(super) struct Ring<T> {
    /// The next position to read.
    head: CachePadded<AtomicUsize>,
    /// The next position to write.
    tail: CachePadded<AtomicUsize>,
    /// A power of two, so that positions may wrap, and at least two, so that "written" is never "to be written in the next
    /// round".
    slots: Box<[Slot<T>]>,
    capacity: usize,
}

#[derive(Debug)]
struct Slot<T> {
    stamp: AtomicUsize,
    /// `None`: the sender gave its place up.
    message: UnsafeCell<MaybeUninit<Option<T>>>,
}

// SAFETY: messages go from thread to thread; a slot is touched by one at a time, as the stamps have it.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

/// A place that a sender has claimed. It must be filled or given up: receivers wait for it.
#[derive(Clone, Copy, Debug)]
#[must_use = "a claimed place must be filled or given up"]
pub(super) struct Place(usize);

impl<T> Ring<T> {
    /// Room for `capacity` messages, at least one.
    pub(super) fn new(capacity: usize) -> Ring<T> {
        assert!(capacity > 0, "a ring has room for a message");
        let slots = (0..capacity.next_power_of_two().max(2)).map(|position| Slot {
            stamp: AtomicUsize::new(position),
            message: UnsafeCell::new(MaybeUninit::uninit()),
        });
        Ring {
            head: CachePadded::new(AtomicUsize::new(0)),
            tail: CachePadded::new(AtomicUsize::new(0)),
            slots: slots.collect(),
            capacity,
        }
    }

    /// How many fit in.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[position & (self.slots.len() - 1)]
    }

    /// Claims the next place; `None` if the ring is full.
    #[inline]
    pub(super) fn claim(&self) -> Option<Place> {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            // Acquire pairs with the reader's release: what it took out is out.
            let stamp = self.slot(tail).stamp.load(Ordering::Acquire);
            if stamp != tail || self.is_full_beyond(tail) {
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
                tail.wrapping_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Place(tail)),
                Err(now) => tail = now,
            }
        }
    }

    /// There are more slots than messages fit in, and so many messages before this position.
    #[inline]
    fn is_full_beyond(&self, tail: usize) -> bool {
        self.capacity < self.slots.len()
            && tail.wrapping_sub(self.head.load(Ordering::Acquire)) >= self.capacity
    }

    /// Fills a claimed place, or gives it up.
    #[inline]
    pub(super) fn fill(&self, place: Place, message: Option<T>) {
        let slot = self.slot(place.0);
        // SAFETY: the place is the caller's alone until the stamp says that it is written.
        slot.message.with_mut(|at| unsafe { (*at).write(message) });
        // Release publishes the message to the reader's acquire.
        slot.stamp.store(place.0.wrapping_add(1), Ordering::Release);
    }

    /// Takes what is oldest; `None` if there is nothing. A place that was given up holds `None`, and is free now like any other:
    /// whoever waits for room must be told.
    #[inline]
    pub(super) fn pop(&self) -> Option<Option<T>> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(head);
            // Acquire pairs with the release in `fill`.
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp == head.wrapping_add(1) {
                match self.head.compare_exchange_weak(
                    head,
                    stamp,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Err(now) => head = now,
                    Ok(_) => {
                        // SAFETY: the place has been written, and is the caller's alone until the stamp moves on.
                        let message = slot
                            .message
                            .with_mut(|at| unsafe { (*at).assume_init_read() });
                        // Release: the next round's writer must find the message out.
                        slot.stamp
                            .store(head.wrapping_add(self.slots.len()), Ordering::Release);
                        return Some(message);
                    }
                }
            } else {
                let now = self.head.load(Ordering::Relaxed);
                if now == head {
                    // Empty, or its writer has not finished: it will notify.
                    return None;
                }
                head = now;
            }
        }
    }

    /// How many are in it, at some moment; places that are claimed count.
    pub(super) fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            let head = self.head.load(Ordering::SeqCst);
            if self.tail.load(Ordering::SeqCst) == tail {
                return tail.wrapping_sub(head).min(self.capacity);
            }
        }
    }

    /// A place can be claimed now.
    pub(super) fn has_room(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst);
        let stamp = self.slot(tail).stamp.load(Ordering::SeqCst);
        // Out of date: look again. Written, and not yet read: full.
        stamp == tail && !self.is_full_beyond(tail) || self.tail.load(Ordering::SeqCst) != tail
    }

    /// A message can be taken now.
    pub(super) fn has_message(&self) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        self.slot(head).stamp.load(Ordering::SeqCst) != head
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
