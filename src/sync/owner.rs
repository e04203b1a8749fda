//! In debug builds, who has a lock: so that one who would wait for itself is told.

use std::num::NonZeroUsize;

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::wait::current_caller;

/// The holder of a lock; zero for nobody. In release builds nothing is noted.
#[derive(Debug)]
pub(super) struct Owner(AtomicUsize);

impl Owner {
    /// Nobody.
    pub(super) const fn nobody() -> Owner {
        Owner(AtomicUsize::new(0))
    }

    /// The caller has it now.
    #[inline(always)]
    pub(super) fn set(&self) {
        if cfg!(debug_assertions) {
            // Relaxed: only the owner itself can find itself.
            self.0.store(current_caller().get(), Ordering::Relaxed);
        }
    }

    /// Nobody has it any more.
    #[inline(always)]
    pub(super) fn clear(&self) {
        if cfg!(debug_assertions) {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// The caller is about to wait for it without end.
    ///
    /// # Panics
    ///
    /// If the caller has it.
    #[track_caller]
    #[inline(always)]
    pub(super) fn check(&self) {
        if cfg!(debug_assertions) {
            self.check_now();
        }
    }

    #[track_caller]
    #[cold]
    fn check_now(&self) {
        let owner = NonZeroUsize::new(self.0.load(Ordering::Relaxed));
        assert!(
            owner != Some(current_caller()),
            "{} locks what it has locked already: it would wait for ever",
            describe_caller()
        );
    }
}

fn describe_caller() -> String {
    match crate::context::greenlet_handle() {
        Some(greenlet) => greenlet.describe().to_string(),
        None => format!("thread {:?}", std::thread::current().name().unwrap_or("?")),
    }
}
