//! A bound on how many greenlets there are.

use std::fmt;
use std::panic::Location;

use super::members::Members;
use super::spawning::spawn;
use crate::greenlet::{Greenlet, JoinError};
use crate::primitive::sync::Arc;
use crate::sync::{OwnedSemaphorePermit, Semaphore};
use crate::wait::{JoinHandle, yield_if_overdue};

/// At most so many greenlets at a time: gevent's `Pool`, eventlet's `GreenPool`.
///
/// ```
/// use greenhub::pool::Pool;
///
/// let pool = Pool::new(2);
/// let squares: Vec<u64> = pool.imap(1.., |i: u64| i * i).take(4).map(Result::unwrap).collect();
/// assert_eq!(squares, [1, 4, 9, 16]);
/// ```
///
/// Dropping it detaches the greenlets, which run on.
pub struct Pool {
    slots: Arc<Semaphore>,
    size: usize,
    /// Those that have been spawned, and some that have ended since.
    greenlets: Members<Greenlet>,
}

impl Pool {
    /// With room for `size` greenlets at a time.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    #[must_use]
    #[track_caller]
    pub fn new(size: usize) -> Pool {
        assert!(size > 0, "a pool has room for one greenlet at least");
        Pool {
            slots: Arc::new(Semaphore::new(size)),
            size,
            greenlets: Members::new(),
        }
    }

    /// Spawns a greenlet, as [`spawn`](crate::spawn) does, as soon as there is room for it: waits while the pool is full.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let slot = self.slot();
        self.spawn_in(slot, Location::caller(), f, ())
    }

    /// Spawns a greenlet if there is room for it.
    ///
    /// # Errors
    ///
    /// If the pool is full. The closure comes back.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.try_slot() {
            None => {
                // A loop around this may wait for room.
                yield_if_overdue();
                Err(f)
            }
            Some(slot) => Ok(self.spawn_in(slot, Location::caller(), f, ())),
        }
    }

    /// Waits for room for one greenlet.
    #[track_caller]
    pub(super) fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.slots).acquire_owned()
    }

    /// Room for one greenlet, if there is any.
    pub(super) fn try_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned()
    }

    /// Spawns a greenlet, as from that place. When it has ended, or is not to run, its slot becomes free, and after that `last` is dropped.
    pub(super) fn spawn_in<F, T>(
        &self,
        slot: OwnedSemaphorePermit,
        place: &'static Location<'static>,
        f: F,
        last: impl Send + 'static,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let began = self.greenlets.begin();
        let task = Task { f, slot, last };
        let handle = spawn(place, move || task.run());
        let greenlet = handle.greenlet().clone();
        if self
            .greenlets
            .list(greenlet, began, Greenlet::has_ended)
            .settle()
        {
            handle.kill();
        }
        handle
    }

    /// How many greenlets there is room for in all.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many more there is room for now.
    #[must_use]
    pub fn free_count(&self) -> usize {
        // A loop around this may wait for room.
        yield_if_overdue();
        self.slots.available_permits()
    }

    /// How many of its greenlets have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        // A loop around this may wait for their ends.
        yield_if_overdue();
        self.alive()
    }

    fn alive(&self) -> usize {
        self.size - self.slots.count().min(self.size)
    }

    /// It has no greenlets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until all greenlets have ended that are in the pool now or wait for room.
    #[track_caller]
    pub fn join(&self) {
        drop(self.slots.acquire_many(self.size));
    }

    /// Asks all greenlets to end: see [`Greenlet::kill`]. Does not wait for that.
    pub fn kill(&self) {
        let greenlets = self.greenlets.kill(Greenlet::clone);
        greenlets.iter().for_each(Greenlet::kill);
    }

    /// Calls `f` with each item, in greenlets of the pool, and returns the results in the order of the items.
    ///
    /// ```
    /// let pool = greenhub::pool::Pool::new(8);
    /// let lengths = pool.map(["one", "three"], str::len);
    /// assert_eq!(lengths.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [3, 5]);
    /// ```
    #[track_caller]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Vec<Result<T, JoinError>>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let (f, place) = (Arc::new(f), Location::caller());
        let mut handles = Vec::new();
        for item in items {
            let f = Arc::clone(&f);
            handles.push(self.spawn_in(self.slot(), place, move || f(item), ()));
        }
        handles.into_iter().map(JoinHandle::join).collect()
    }
}

/// A closure and its slot; dropped in this order, so that what is captured is gone before another takes the place, and the
/// place is free when the last of it is dropped.
struct Task<F, L> {
    f: F,
    slot: OwnedSemaphorePermit,
    last: L,
}

impl<F, L> Task<F, L> {
    fn run<T>(self) -> T
    where
        F: FnOnce() -> T,
    {
        let Task { f, slot, last } = self;
        // Should `f` unwind, these are dropped in the same order.
        let _last = last;
        let _slot = slot;
        f()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .field("len", &self.alive())
            .finish_non_exhaustive()
    }
}
