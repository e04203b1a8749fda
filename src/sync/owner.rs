//! Who has a lock, and since which line: so that one who would wait for itself is told, and one that waits in vain while it
//! unwinds is told of. Where nobody wants to know (see `wait::holders`) that costs a compare and a jump, and nothing is noted.

use std::num::NonZeroUsize;
use std::panic::Location;

use crate::greenlet::{AtomicPlace, WaitKind};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::wait::{current_caller, holders_are_noted, tell_if_hopeless};

/// The holder of a lock.
#[derive(Debug)]
pub(super) struct Owner {
    /// Zero for nobody, or somebody who was not noted.
    caller: AtomicUsize,
    since: AtomicPlace,
}

impl Owner {
    /// Nobody.
    pub(super) const fn nobody() -> Owner {
        Owner {
            caller: AtomicUsize::new(0),
            since: AtomicPlace::none(),
        }
    }

    /// The caller has it now.
    #[track_caller]
    #[inline(always)]
    pub(super) fn set(&self) {
        if holders_are_noted() {
            self.note(Location::caller());
        }
    }

    #[inline(never)]
    fn note(&self, place: &'static Location<'static>) {
        self.since.set(place);
        // Relaxed: only the owner itself can find itself, and a report can bear to be late.
        self.caller.store(current_caller().get(), Ordering::Relaxed);
    }

    /// Nobody has it any more.
    #[inline(always)]
    pub(super) fn clear(&self) {
        if holders_are_noted() {
            self.caller.store(0, Ordering::Relaxed);
        }
    }

    /// The caller is about to wait for it without end.
    ///
    /// # Panics
    ///
    /// If the caller has it, in debug builds; unless it unwinds, since it would end the process.
    #[track_caller]
    #[cold]
    pub(super) fn check(&self) {
        let Some(owner) = NonZeroUsize::new(self.caller.load(Ordering::Relaxed)) else {
            return;
        };
        if std::thread::panicking() {
            if let Some(since) = self.since.get() {
                tell_if_hopeless(WaitKind::Lock, owner, since);
            }
            return;
        }
        assert!(
            !cfg!(debug_assertions) || owner != current_caller(),
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
