//! Counted permits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::semaphore_core::Permits;
use crate::wait::{deadline_after, yield_if_overdue};

/// So many permits, for greenlets and OS threads alike: who wants some that are not there waits. Served in order of arrival,
/// so one who wants many is not starved by those who want few.
///
/// ```
/// use greenhub::sync::Semaphore;
///
/// static CONNECTIONS: Semaphore = Semaphore::new(2);
///
/// greenhub::scope(|s| {
///     for _ in 0..10 {
///         s.spawn(|| {
///             let _permit = CONNECTIONS.acquire();
///             // At most two are here at a time.
///             greenhub::yield_now();
///         });
///     }
/// });
/// assert_eq!(CONNECTIONS.available_permits(), 2);
/// ```
#[derive(Debug)]
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// With so many permits.
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore {
            permits: Permits::new(permits),
        }
    }

    /// How many are there now. A loop may ask this until there are enough: if the caller's slice has lasted long, others go
    /// first.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        let available = self.count();
        yield_if_overdue();
        available
    }

    /// The same, asked in the middle of things.
    pub(crate) fn count(&self) -> usize {
        self.permits.available()
    }

    /// Adds some for good.
    ///
    /// # Panics
    ///
    /// If there would be more than `usize::MAX`, those counted that somebody has; none is added then. (So the drop of a permit
    /// never panics.)
    pub fn add_permits(&self, count: usize) {
        assert!(self.permits.add(count), "too many permits");
    }

    /// Takes a permit, waiting for it.
    #[track_caller]
    #[inline]
    pub fn acquire(&self) -> SemaphorePermit<'_> {
        self.acquire_many(1)
    }

    /// Takes so many permits at once, waiting for them.
    #[track_caller]
    #[inline]
    pub fn acquire_many(&self, count: usize) -> SemaphorePermit<'_> {
        self.permits.acquire(count, None);
        self.permit(count)
    }

    /// Takes a permit if there is one and nobody waits for it. In vain, in a slice that has lasted long, it lets others go
    /// first, as all `try_` calls here: a loop around this ends.
    #[must_use]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if they are there and nobody waits for them.
    #[must_use]
    pub fn try_acquire_many(&self, count: usize) -> Option<SemaphorePermit<'_>> {
        self.try_take(count).then(|| self.permit(count))
    }

    /// As [`Semaphore::acquire`], but waits no longer than `timeout`; `None` if that was in vain.
    #[track_caller]
    #[must_use]
    pub fn acquire_for(&self, timeout: Duration) -> Option<SemaphorePermit<'_>> {
        self.acquire_many_before(1, deadline_after(timeout))
    }

    /// As [`Semaphore::acquire`], but waits no longer than until `deadline`; `None` if that was in vain.
    #[track_caller]
    #[must_use]
    pub fn acquire_until(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        self.acquire_many_before(1, Some(deadline))
    }

    /// As [`Semaphore::acquire_many`], but waits no longer than `timeout`; `None` if that was in vain.
    #[track_caller]
    #[must_use]
    pub fn acquire_many_for(&self, count: usize, timeout: Duration) -> Option<SemaphorePermit<'_>> {
        self.acquire_many_before(count, deadline_after(timeout))
    }

    /// As [`Semaphore::acquire_many`], but waits no longer than until `deadline`; `None` if that was in vain.
    #[track_caller]
    #[must_use]
    pub fn acquire_many_until(
        &self,
        count: usize,
        deadline: Instant,
    ) -> Option<SemaphorePermit<'_>> {
        self.acquire_many_before(count, Some(deadline))
    }

    #[track_caller]
    fn acquire_many_before(
        &self,
        count: usize,
        deadline: Option<Instant>,
    ) -> Option<SemaphorePermit<'_>> {
        self.permits
            .acquire(count, deadline)
            .then(|| self.permit(count))
    }

    /// Takes a permit that keeps the semaphore alive, waiting for it.
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> OwnedSemaphorePermit {
        self.acquire_many_owned(1)
    }

    /// Takes so many permits at once that keep the semaphore alive, waiting for them.
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, count: usize) -> OwnedSemaphorePermit {
        self.permits.acquire(count, None);
        OwnedSemaphorePermit {
            semaphore: self,
            count,
        }
    }

    /// Takes a permit that keeps the semaphore alive, if there is one and nobody waits for it.
    #[must_use]
    pub fn try_acquire_owned(self: Arc<Self>) -> Option<OwnedSemaphorePermit> {
        self.try_take(1).then(|| OwnedSemaphorePermit {
            semaphore: self,
            count: 1,
        })
    }

    /// What a `try_` is: in vain, in a slice that has lasted long, it lets others go first.
    fn try_take(&self, count: usize) -> bool {
        let taken = self.permits.try_acquire(count);
        if !taken {
            yield_if_overdue();
        }
        taken
    }

    fn permit(&self, count: usize) -> SemaphorePermit<'_> {
        SemaphorePermit {
            semaphore: self,
            count,
        }
    }
}

/// Permits of a [`Semaphore`], given back when this is dropped.
#[derive(Debug)]
#[must_use = "permits are given back when this is dropped"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl SemaphorePermit<'_> {
    /// Does not give the permits back: the semaphore has fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.permits.forget(self.count);
        self.count = 0;
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

/// [`SemaphorePermit`] with a share in its semaphore, so that it can be sent to another greenlet.
#[derive(Debug)]
#[must_use = "permits are given back when this is dropped"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl OwnedSemaphorePermit {
    /// Does not give the permits back: the semaphore has fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.permits.forget(self.count);
        self.count = 0;
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}
