//! A bounded queue for so many messages that room for all of them is not made in advance: a list, and how many may yet come.

use crossbeam_utils::CachePadded;

use super::list::List;
use super::store::{Found, Place, Store};
use crate::primitive::atomic::{AtomicUsize, Ordering};

/// The queue.
#[derive(Debug)]
pub(super) struct Limited<T> {
    list: List<T>,
    /// Messages that are there, or that somebody is about to write or to read.
    used: CachePadded<AtomicUsize>,
    capacity: usize,
}

impl<T> Limited<T> {
    /// Room for `capacity` messages.
    pub(super) fn new(capacity: usize) -> Limited<T> {
        Limited {
            list: List::new(),
            used: CachePadded::new(AtomicUsize::new(0)),
            capacity,
        }
    }

    fn free(&self) {
        // Relaxed: it is a number, and the list publishes. Whoever waits for room is told with a fence.
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Store for Limited<T> {
    type Message = T;

    fn claim(&self) -> Option<Place> {
        let mut used = self.used.load(Ordering::Relaxed);
        while used < self.capacity {
            match self.used.compare_exchange_weak(
                used,
                used + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.list.claim(),
                Err(now) => used = now,
            }
        }
        None
    }

    #[inline(always)]
    unsafe fn fill(&self, place: Place, message: *const T) {
        // SAFETY: as the caller says.
        unsafe { self.list.fill(place, message) };
    }

    unsafe fn give_up(&self, _: Place) {
        self.free();
    }

    fn reserve(&self) -> Option<Found> {
        self.list.reserve()
    }

    #[inline(always)]
    unsafe fn take(&self, place: Place, into: *mut T) {
        // SAFETY: as the caller says.
        unsafe { self.list.take(place, into) };
        self.free();
    }

    unsafe fn discard(&self, place: Place) {
        self.free();
        // SAFETY: as the caller says.
        unsafe { self.list.discard(place) };
    }

    fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < self.capacity
    }

    fn has_message(&self) -> bool {
        self.list.has_message()
    }

    fn len(&self) -> usize {
        self.list.len()
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.capacity)
    }
}
