//! The library's protocols of locks.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the models use a part of each file"
)]

#[path = "../../../src/sync/barrier.rs"]
pub(crate) mod barrier;
#[path = "../../../src/sync/condvar.rs"]
pub(crate) mod condvar;
#[path = "../../../src/sync/mutex_core.rs"]
pub(crate) mod mutex_core;
#[path = "../../../src/sync/rwlock_core.rs"]
pub(crate) mod rwlock_core;
#[path = "../../../src/sync/semaphore_core.rs"]
pub(crate) mod semaphore_core;

/// `sync/mutex.rs`, whose guards are lock_api's: as much of them as a condition variable needs.
pub(crate) mod mutex {
    use std::ops::{Deref, DerefMut};

    use loom::cell::UnsafeCell;

    use super::mutex_core::Lock;

    pub(crate) struct RawMutex(Lock);

    impl RawMutex {
        pub(crate) fn lock(&self) {
            if !self.0.lock_fast() {
                assert!(self.0.lock_slow(None));
            }
        }

        /// # Safety
        ///
        /// As lock_api's.
        pub(crate) unsafe fn unlock(&self) {
            self.0.unlock();
        }
    }

    pub(crate) struct Mutex<T: ?Sized> {
        raw: RawMutex,
        value: UnsafeCell<T>,
    }

    // SAFETY: it is what the models are to show.
    unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex {
                raw: RawMutex(Lock::new()),
                value: UnsafeCell::new(value),
            }
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.raw.lock();
            MutexGuard(self)
        }
    }

    impl<T: ?Sized> Mutex<T> {
        /// # Safety
        ///
        /// As lock_api's.
        pub(crate) unsafe fn raw(&self) -> &RawMutex {
            &self.raw
        }
    }

    pub(crate) struct MutexGuard<'a, T: ?Sized>(&'a Mutex<T>);

    impl<'a, T: ?Sized> MutexGuard<'a, T> {
        pub(crate) fn mutex(guard: &Self) -> &'a Mutex<T> {
            guard.0
        }
    }

    impl<T: ?Sized> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: it is what the models are to show; loom looks at the access itself.
            self.0.value.with(|value| unsafe { &*value })
        }
    }

    impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: as above.
            self.0.value.with_mut(|value| unsafe { &mut *value })
        }
    }

    impl<T: ?Sized> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            self.0.raw.0.unlock();
        }
    }
}
