//! Locks, permits, and what is made once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use greenhub::sync::{Mutex, Once, OnceLock, ReentrantMutex, RwLock, Semaphore};

use super::faults::Faults;
use super::inside::{Inside, Twins};
use super::token::Token;

/// A lock, and who is inside.
#[derive(Debug, Default)]
pub(crate) struct Guarded<L> {
    pub(crate) name: &'static str,
    pub(crate) lock: L,
    pub(crate) inside: Inside,
}

impl<L: Default> Guarded<L> {
    pub(crate) fn new(name: &'static str) -> Guarded<L> {
        Guarded {
            name,
            ..Guarded::default()
        }
    }
}

impl Guarded<Mutex<Twins>> {
    pub(crate) fn check(&self, faults: &Faults) {
        match self.lock.try_lock() {
            Some(twins) => twins.check(self.name, faults),
            None => faults.tell(format!("{} is locked at the end", self.name)),
        }
    }
}

impl Guarded<RwLock<Twins>> {
    pub(crate) fn check(&self, faults: &Faults) {
        match self.lock.try_write() {
            Some(twins) => twins.check(self.name, faults),
            None => faults.tell(format!("{} is locked at the end", self.name)),
        }
        if self.lock.is_locked() || self.lock.try_read().is_none() {
            faults.tell(format!("{} cannot be read at the end", self.name));
        }
    }
}

/// A lock that its holder may lock again, and who that is.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(crate) lock: ReentrantMutex<()>,
    owner: AtomicU32,
    depth: AtomicU32,
}

/// For those whose guards outlive them, or who lock when their thread has all but ended: see `operations::identity`.
pub(crate) static IDENTITY: Nested = Nested::new();

/// The caller is inside. Dropped before its guard.
#[must_use = "it leaves when this is dropped"]
pub(crate) struct Entered<'a>(&'a Nested);

impl Nested {
    pub(crate) const fn new() -> Nested {
        Nested {
            lock: ReentrantMutex::new(()),
            owner: AtomicU32::new(0),
            depth: AtomicU32::new(0),
        }
    }

    /// The actor of this number has locked it, perhaps again.
    pub(crate) fn enter(&self, actor: u32, faults: &Faults) -> Entered<'_> {
        let depth = self.depth.fetch_add(1, Ordering::SeqCst);
        let before = self.owner.swap(actor, Ordering::SeqCst);
        if before != actor && depth > 0 {
            faults.tell(format!(
                "a reentrant mutex lets actor {actor} in beside actor {before}"
            ));
        }
        Entered(self)
    }

    pub(crate) fn check(&self, faults: &Faults) {
        if self.lock.try_lock().is_none() {
            faults.tell("a reentrant mutex is locked at the end");
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.depth.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A semaphore, and how many permits are in use.
#[derive(Debug)]
pub(crate) struct Permits {
    pub(crate) semaphore: Arc<Semaphore>,
    pub(crate) all: usize,
    used: AtomicUsize,
}

/// So many permits in use. Dropped before they are given back.
#[must_use = "they are not in use when this is dropped"]
pub(crate) struct Using<'a> {
    permits: &'a Permits,
    count: usize,
}

impl Permits {
    pub(crate) fn new(all: usize) -> Permits {
        Permits {
            semaphore: Arc::new(Semaphore::new(all)),
            all,
            used: AtomicUsize::new(0),
        }
    }

    /// The caller has so many.
    pub(crate) fn take(&self, count: usize, faults: &Faults) -> Using<'_> {
        let used = self.used.fetch_add(count, Ordering::SeqCst) + count;
        if used > self.all {
            faults.tell(format!(
                "{used} permits of {} are in use, {count} of them new",
                self.all
            ));
        }
        Using {
            permits: self,
            count,
        }
    }

    pub(crate) fn check(&self, faults: &Faults) {
        let left = self.semaphore.available_permits();
        if left != self.all {
            faults.tell(format!("{left} permits of {} at the end", self.all));
        }
        if self.semaphore.try_acquire_many(self.all).is_none() {
            faults.tell(format!("not all {} permits can be had", self.all));
        }
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.permits.used.fetch_sub(self.count, Ordering::SeqCst);
    }
}

/// What is made once, by one of those who want it.
#[derive(Debug, Default)]
pub(crate) struct Singular {
    pub(crate) value: OnceLock<Token>,
    pub(crate) once: Once,
    pub(crate) making: Inside,
    pub(crate) doing: Inside,
    /// How often it was done to the end.
    pub(crate) done: AtomicUsize,
    /// The number of the first value that was seen, plus one.
    first: AtomicUsize,
}

impl Singular {
    /// This value was seen.
    pub(crate) fn see(&self, value: &Token, faults: &Faults) {
        let number = value.number() + 1;
        let first = self
            .first
            .compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_err_and(|first| first != number) {
            faults.tell("what is made once has two values");
        }
    }
}
