//! Many readers or one writer.

use std::time::{Duration, Instant};

use lock_api::{
    GuardNoSend, RawRwLockDowngrade, RawRwLockRecursive, RawRwLockRecursiveTimed, RawRwLockTimed,
};

use super::owner::Owner;
use super::polling::give_way_unless_formatting;
use super::rwlock_core::{Share, SharedLock};
use crate::wait::{deadline_after, yield_if_overdue};

/// A lock that many may have for reading, or one for writing, for greenlets and OS threads alike: parking_lot's interface,
/// without poisoning.
///
/// It is fair: who comes while somebody waits, waits behind. So readers cannot starve a writer, and a greenlet that reads must
/// not read again while a writer may wait, but with `read_recursive`.
///
/// ```
/// use greenhub::sync::{RwLock, RwLockWriteGuard};
///
/// static LIMITS: RwLock<Vec<u32>> = RwLock::new(Vec::new());
///
/// let mut limits = LIMITS.write();
/// limits.push(10);
/// let limits = RwLockWriteGuard::downgrade(limits); // nobody writes in between
/// assert_eq!(limits.len() + LIMITS.read().len(), 2);
/// ```
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

/// What ends the reading of an [`RwLock`] when it is dropped.
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// What ends the writing of an [`RwLock`] when it is dropped.
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// An [`RwLockReadGuard`] for a part of the value.
pub type MappedRwLockReadGuard<'a, T> = lock_api::MappedRwLockReadGuard<'a, RawRwLock, T>;

/// An [`RwLockWriteGuard`] for a part of the value.
pub type MappedRwLockWriteGuard<'a, T> = lock_api::MappedRwLockWriteGuard<'a, RawRwLock, T>;

/// The lock of an [`RwLock`], for [`lock_api`]'s generic types.
#[derive(Debug)]
pub struct RawRwLock {
    lock: SharedLock,
    /// The writer.
    owner: Owner,
}

impl RawRwLock {
    #[track_caller]
    #[inline(always)]
    fn lock(&self, share: Share, deadline: Option<Instant>) -> bool {
        if !self.lock.try_lock(share) {
            if deadline.is_none() {
                self.owner.check();
            }
            if !self.lock.lock_slow(share, deadline) {
                return false;
            }
        }
        self.note(share);
        true
    }

    /// The caller has it now.
    #[track_caller]
    #[inline(always)]
    fn note(&self, share: Share) {
        if share == Share::Write {
            self.owner.set();
        }
    }

    #[track_caller]
    #[inline(always)]
    fn try_lock(&self, share: Share) -> bool {
        let locked = self.lock.try_lock(share);
        if locked {
            self.note(share);
        } else {
            give_way_unless_formatting();
        }
        locked
    }

    #[track_caller]
    #[inline(always)]
    fn read_recursive(&self, deadline: Option<Instant>) -> bool {
        if self.lock.try_read_recursive() {
            return true;
        }
        if deadline.is_none() {
            self.owner.check();
        }
        self.lock.lock_slow(Share::Read, deadline)
    }
}

// SAFETY: the lock excludes: `WRITER` is set only when there is no reader and no writer, and readers are added only while
// it is clear.
unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: RawRwLock = RawRwLock {
        lock: SharedLock::new(),
        owner: Owner::nobody(),
    };

    type GuardMarker = GuardNoSend;

    #[track_caller]
    #[inline(always)]
    fn lock_shared(&self) {
        self.lock(Share::Read, None);
    }

    #[track_caller]
    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.try_lock(Share::Read)
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.lock.unlock(Share::Read);
    }

    #[track_caller]
    #[inline(always)]
    fn lock_exclusive(&self) {
        self.lock(Share::Write, None);
    }

    #[track_caller]
    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.try_lock(Share::Write)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.owner.clear();
        self.lock.unlock(Share::Write);
    }

    fn is_locked(&self) -> bool {
        let locked = self.lock.is_locked();
        if locked {
            yield_if_overdue();
        }
        locked
    }

    fn is_locked_exclusive(&self) -> bool {
        let locked = self.lock.is_written();
        if locked {
            yield_if_overdue();
        }
        locked
    }
}

// SAFETY: as above; the writer becomes a reader in one step.
unsafe impl RawRwLockDowngrade for RawRwLock {
    unsafe fn downgrade(&self) {
        self.owner.clear();
        self.lock.downgrade();
    }
}

// SAFETY: as above.
unsafe impl RawRwLockTimed for RawRwLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> bool {
        self.lock(Share::Read, deadline_after(timeout))
    }

    #[track_caller]
    fn try_lock_shared_until(&self, deadline: Instant) -> bool {
        self.lock(Share::Read, Some(deadline))
    }

    #[track_caller]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> bool {
        self.lock(Share::Write, deadline_after(timeout))
    }

    #[track_caller]
    fn try_lock_exclusive_until(&self, deadline: Instant) -> bool {
        self.lock(Share::Write, Some(deadline))
    }
}

// SAFETY: a reader that reads again is let in whoever waits.
unsafe impl RawRwLockRecursive for RawRwLock {
    #[track_caller]
    fn lock_shared_recursive(&self) {
        self.read_recursive(None);
    }

    #[track_caller]
    fn try_lock_shared_recursive(&self) -> bool {
        let locked = self.lock.try_read_recursive();
        if !locked {
            give_way_unless_formatting();
        }
        locked
    }
}

// SAFETY: as above.
unsafe impl RawRwLockRecursiveTimed for RawRwLock {
    #[track_caller]
    fn try_lock_shared_recursive_for(&self, timeout: Duration) -> bool {
        self.read_recursive(deadline_after(timeout))
    }

    #[track_caller]
    fn try_lock_shared_recursive_until(&self, deadline: Instant) -> bool {
        self.read_recursive(Some(deadline))
    }
}
