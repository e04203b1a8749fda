//! Mutual exclusion.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lock_api::{GetThreadId, GuardNoSend, RawMutexFair, RawMutexTimed};

use super::mutex_core::Lock;
use super::owner::Owner;
use super::polling::give_way_unless_formatting;
use crate::wait::{current_caller, deadline_after, yield_if_overdue};

/// A lock around a value, for greenlets and OS threads alike: parking_lot's interface, without poisoning. It may be held across
/// a wait; whoever wants it meanwhile parks, and its hub runs others.
///
/// Uncontended it costs one atomic exchange to lock, and one to unlock. Nobody starves: who has waited for half a millisecond
/// goes next.
///
/// ```
/// use std::sync::Arc;
/// use greenhub::sync::Mutex;
///
/// let sum = Arc::new(Mutex::new(0));
/// let adders = (1..=10).map(|i| {
///     let sum = Arc::clone(&sum);
///     greenhub::spawn(move || *sum.lock() += i)
/// });
/// greenhub::join_all(adders);
/// assert_eq!(*sum.lock(), 55);
/// ```
///
/// A greenlet that locks it twice would wait for itself: in debug builds that is a panic. [`ReentrantMutex`] allows it.
///
/// The guard stays with its greenlet:
///
/// ```compile_fail,E0277
/// static LOCK: greenhub::sync::Mutex<u8> = greenhub::sync::Mutex::new(0);
/// let guard = LOCK.lock();
/// greenhub::spawn(move || drop(guard));
/// ```
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;

/// What unlocks a [`Mutex`] when it is dropped.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;

/// A [`MutexGuard`] for a part of the value.
pub type MappedMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawMutex, T>;

/// A [`Mutex`] that its holder may lock again; it gives shared access only.
///
/// ```
/// use greenhub::sync::ReentrantMutex;
///
/// let lock = ReentrantMutex::new(1);
/// let first = lock.lock();
/// let second = lock.lock();
/// assert_eq!(*first + *second, 2);
/// ```
///
/// A loop around its `try_lock` should call [`checkpoint`](crate::checkpoint): unlike the other locks' a try that fails gives way to
/// nobody here.
pub type ReentrantMutex<T> = lock_api::ReentrantMutex<RawMutex, Callers, T>;

/// What unlocks a [`ReentrantMutex`] when it is dropped.
pub type ReentrantMutexGuard<'a, T> = lock_api::ReentrantMutexGuard<'a, RawMutex, Callers, T>;

/// The lock of a [`Mutex`], for [`lock_api`]'s generic types.
#[derive(Debug)]
pub struct RawMutex {
    lock: Lock,
    owner: Owner,
}

impl RawMutex {
    #[track_caller]
    #[inline(always)]
    fn lock_until(&self, deadline: Option<Instant>) -> bool {
        if !self.lock.lock_fast() {
            if deadline.is_none() {
                self.owner.check();
            }
            if !self.lock.lock_slow(deadline) {
                return false;
            }
        }
        self.owner.set();
        true
    }
}

// SAFETY: the lock excludes: `LOCKED` is set by one, and handed on or cleared by that one.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: RawMutex = RawMutex {
        lock: Lock::new(),
        owner: Owner::nobody(),
    };

    type GuardMarker = GuardNoSend;

    #[track_caller]
    #[inline(always)]
    fn lock(&self) {
        self.lock_until(None);
    }

    #[track_caller]
    #[inline]
    fn try_lock(&self) -> bool {
        let locked = self.lock.try_lock();
        if locked {
            self.owner.set();
        } else {
            give_way_unless_formatting();
        }
        locked
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        self.owner.clear();
        self.lock.unlock();
    }

    fn is_locked(&self) -> bool {
        let locked = self.lock.is_locked();
        if locked {
            yield_if_overdue();
        }
        locked
    }
}

// SAFETY: as above.
unsafe impl RawMutexFair for RawMutex {
    unsafe fn unlock_fair(&self) {
        self.owner.clear();
        self.lock.unlock_fair();
    }
}

// SAFETY: as above.
unsafe impl RawMutexTimed for RawMutex {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> bool {
        self.lock_until(deadline_after(timeout))
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> bool {
        self.lock_until(Some(deadline))
    }
}

/// Tells the holders of a [`ReentrantMutex`] apart: greenlets and OS threads.
#[derive(Debug)]
pub struct Callers(());

// SAFETY: the number is the caller's own, and nobody else's ever: a guard may outlive the greenlet that took it.
unsafe impl GetThreadId for Callers {
    const INIT: Callers = Callers(());

    fn nonzero_thread_id(&self) -> NonZeroUsize {
        current_caller()
    }
}
