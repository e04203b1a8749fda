//! The settled greenlets that are ready on a hub: queues that the hub alone touches, whose lengths anyone may read.
//!
//! A queue's two ends are numbers in atomics that the hub alone writes, with plain loads and stores: that costs no more than
//! numbers of the queue's own. So whoever watches a hub that is stuck in one slice can tell how many it keeps waiting.

use std::fmt;
use std::ptr;

use crate::greenlet::{Header, Ready};
use crate::primitive::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::primitive::sync::Arc;

/// How many greenlets a queue has room for from the beginning, so that the first waits allocate nothing. A power of two.
const CAPACITY: usize = 64;

/// What others may see of it. Written by the hub's thread alone.
#[derive(Debug, Default)]
pub(crate) struct BacklogLen {
    /// The greenlet that runs next, or null.
    next: AtomicPtr<Header>,
    woken: Ends,
    yielded: Ends,
}

impl BacklogLen {
    /// How many greenlets it is at some recent moment.
    pub(crate) fn get(&self) -> usize {
        let next = !self.next.load(Ordering::Relaxed).is_null();
        usize::from(next) + self.woken.distance() + self.yielded.distance()
    }
}

/// How many have ever been put into a queue, and taken out of it.
#[derive(Debug, Default)]
struct Ends {
    put: AtomicUsize,
    taken: AtomicUsize,
}

impl Ends {
    /// For others: the queue's length, more or less.
    fn distance(&self) -> usize {
        // In this order, since what was taken was put before; even so one may be older than the other.
        let taken = self.taken.load(Ordering::Relaxed);
        let put = self.put.load(Ordering::Relaxed);
        put.wrapping_sub(taken).min(isize::MAX as usize)
    }
}

/// The hub's side.
#[derive(Debug)]
pub(crate) struct Backlog {
    woken: Ring,
    yielded: Ring,
    len: Arc<BacklogLen>,
}

impl Backlog {
    /// An empty one.
    pub(crate) fn new(len: Arc<BacklogLen>) -> Backlog {
        Backlog {
            woken: Ring::new(),
            yielded: Ring::new(),
            len,
        }
    }

    /// The settled greenlet that was woken last: it runs next, while what it was woken for is still in the cache.
    #[inline]
    pub(crate) fn take_next(&mut self) -> Option<Ready> {
        let next = ptr::NonNull::new(self.len.next.load(Ordering::Relaxed))?;
        self.len.next.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: `set_next` has put a `Ready` there, and nobody else takes it out.
        Some(unsafe { Ready::from_raw(next) })
    }

    /// Makes it the next, and gives back the one that was.
    #[inline]
    pub(crate) fn replace_next(&mut self, ready: Ready) -> Option<Ready> {
        let before = ptr::NonNull::new(self.len.next.load(Ordering::Relaxed));
        let next = ready.into_raw().as_ptr();
        self.len.next.store(next, Ordering::Relaxed);
        // SAFETY: as in `take_next`.
        before.map(|before| unsafe { Ready::from_raw(before) })
    }

    /// Queues one that was woken.
    #[inline]
    pub(crate) fn push_woken(&mut self, ready: Ready) {
        self.woken.push(&self.len.woken, ready);
    }

    /// The one that was woken first.
    #[inline]
    pub(crate) fn take_woken(&mut self) -> Option<Ready> {
        self.woken.pop(&self.len.woken)
    }

    /// Queues one that has yielded. Apart from the others, so that whoever was woken need not wait for all of those that
    /// only yield.
    #[inline]
    pub(crate) fn push_yielded(&mut self, ready: Ready) {
        self.yielded.push(&self.len.yielded, ready);
    }

    /// The one that yielded first.
    #[inline]
    pub(crate) fn take_yielded(&mut self) -> Option<Ready> {
        self.yielded.pop(&self.len.yielded)
    }

    /// Shows each to `f`.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Ready)) {
        if let Some(next) = ptr::NonNull::new(self.len.next.load(Ordering::Relaxed)) {
            // SAFETY: as in `take_next`; it is lent only, and stays where it is.
            f(&unsafe { Ready::from_raw(next) });
        }
        let rings = self.woken.0.iter().chain(&*self.yielded.0);
        rings.flatten().for_each(f);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }
}

/// A queue whose ends are kept elsewhere.
struct Ring(Box<[Option<Ready>]>);

impl Ring {
    fn new() -> Ring {
        Ring((0..CAPACITY).map(|_| None).collect())
    }

    #[inline]
    fn push(&mut self, ends: &Ends, ready: Ready) {
        let put = ends.put.load(Ordering::Relaxed);
        if put.wrapping_sub(ends.taken.load(Ordering::Relaxed)) == self.0.len() {
            return self.push_to_full(ends, ready);
        }
        *self.slot(put) = Some(ready);
        ends.put.store(put.wrapping_add(1), Ordering::Relaxed);
    }

    #[inline]
    fn pop(&mut self, ends: &Ends) -> Option<Ready> {
        let taken = ends.taken.load(Ordering::Relaxed);
        if taken == ends.put.load(Ordering::Relaxed) {
            return None;
        }
        let ready = self.slot(taken).take();
        ends.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
        ready
    }

    /// The place of the greenlet with that number.
    #[inline(always)]
    fn slot(&mut self, number: usize) -> &mut Option<Ready> {
        let mask = self.0.len() - 1;
        // SAFETY: the length is a power of two, `CAPACITY` at the least, so what the mask leaves is below it.
        unsafe { self.0.get_unchecked_mut(number & mask) }
    }

    /// By itself, so that a push to one that has room keeps nothing for after it.
    #[cold]
    #[inline(never)]
    fn push_to_full(&mut self, ends: &Ends, ready: Ready) {
        self.grow(ends);
        self.push(ends, ready);
    }

    /// Makes room for twice as many: each stays at its number, modulo the new length.
    fn grow(&mut self, ends: &Ends) {
        let old = self.0.len();
        let mut ring: Box<[Option<Ready>]> = (0..old * 2).map(|_| None).collect();
        let first = ends.taken.load(Ordering::Relaxed);
        for number in 0..old {
            let number = first.wrapping_add(number);
            ring[number & (old * 2 - 1)] = self.0[number & (old - 1)].take();
        }
        self.0 = ring;
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.0.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::{Arc, Backlog, BacklogLen, CAPACITY, Header, Ready};

    fn ready(number: usize) -> Ready {
        let address = std::ptr::without_provenance_mut::<Header>(number * align_of::<Header>());
        // SAFETY: the queues do not look at what they hold, and nobody else gets it.
        unsafe { Ready::from_raw(NonNull::new(address).unwrap()) }
    }

    fn number(ready: Ready) -> usize {
        ready.into_raw().as_ptr().addr() / align_of::<Header>()
    }

    #[test]
    fn queues_keep_the_order_while_they_grow() {
        let len = Arc::new(BacklogLen::default());
        let mut backlog = Backlog::new(Arc::clone(&len));
        // So that the ring is full around its seam.
        for at in 1..=CAPACITY / 2 {
            backlog.push_woken(ready(at));
            assert_eq!(backlog.take_woken().map(number), Some(at));
        }
        let all = 1..=CAPACITY * 5;
        for at in all.clone() {
            backlog.push_woken(ready(at));
            backlog.push_yielded(ready(at + 1));
        }
        assert_eq!(len.get(), CAPACITY * 10);
        for at in all {
            assert_eq!(backlog.take_woken().map(number), Some(at));
            assert_eq!(backlog.take_yielded().map(number), Some(at + 1));
        }
        assert_eq!((backlog.take_woken().is_none(), len.get()), (true, 0));
    }

    #[test]
    fn one_at_a_time_is_next() {
        let len = Arc::new(BacklogLen::default());
        let mut backlog = Backlog::new(Arc::clone(&len));
        assert!(backlog.take_next().is_none());
        assert!(backlog.replace_next(ready(1)).is_none());
        assert_eq!(backlog.replace_next(ready(2)).map(number), Some(1));
        assert_eq!(len.get(), 1);
        assert_eq!(backlog.take_next().map(number), Some(2));
        assert!(backlog.take_next().is_none());
        assert_eq!(len.get(), 0);
    }
}
