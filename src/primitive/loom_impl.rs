//! Loom's doubles of the same names: every access is a point where the model checker may switch threads.

/// Atomic integers, pointers and fences.
pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };

    loom::lazy_static! {
        static ref FENCES: AtomicUsize = AtomicUsize::new(0);
    }

    /// Loom's fence, preceded by a point where the model checker may switch threads. Loom has none there: it would never
    /// put another thread's step between a fence and what comes before it.
    pub(crate) fn fence(ordering: Ordering) {
        // Relaxed: it orders nothing. All fences share it, because loom tries both orders of two steps only if they
        // concern the same thing.
        FENCES.fetch_add(1, Ordering::Relaxed);
        loom::sync::atomic::fence(ordering);
    }
}

/// Cells whose every access is checked.
pub(crate) mod cell {
    pub(crate) use loom::cell::UnsafeCell;
}

/// Locks and shared ownership.
pub(crate) mod sync {
    pub(crate) use loom::sync::Arc;
    /// std's: loom has none, and sees nothing of it.
    pub(crate) use std::sync::OnceLock;

    /// Loom's mutex, without poisoning.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        /// Wraps `value`.
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        /// Blocks the model's thread until the lock is taken.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        /// Takes the value out.
        pub(crate) fn into_inner(self) -> T {
            self.0
                .into_inner()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        /// Takes the lock if it is free.
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// Loom's condition variable, for the mutex above. It knows no time: there is no wait with a timeout.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        /// Nobody waits.
        pub(crate) fn new() -> Condvar {
            Condvar(loom::sync::Condvar::new())
        }

        /// Blocks the model's thread until it is notified.
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0
                .wait(guard)
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        /// Wakes every waiter.
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

/// The model's threads.
pub(crate) mod thread {
    pub(crate) use loom::thread::yield_now;
}

/// Gives way to another of the model's threads.
pub(crate) fn spin_loop() {
    loom::thread::yield_now();
}
