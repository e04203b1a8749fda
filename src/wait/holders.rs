//! Who holds what others wait for, and a word to whoever waits for it in vain.
//!
//! A greenlet that unwinds does not park: it blocks its hub's thread, and whoever holds the lock that it waits for may be settled on
//! that hub. Then nothing will ever end the wait, and the process would be silent about it. So holders are noted, where that
//! is worth its price: in debug builds, and in programs that run a blocking detector.

use std::num::NonZeroUsize;
use std::panic::Location;

use super::park::in_greenlet;
use crate::context;
use crate::greenlet::{Hopeless, WaitKind};
use crate::primitive::atomic::{AtomicBool, Ordering};

static NOTED: AtomicBool = AtomicBool::new(cfg!(debug_assertions));

/// From now on holders are noted.
pub(crate) fn note_holders() {
    // Relaxed: a lock that is taken meanwhile has an unknown holder.
    NOTED.store(true, Ordering::Relaxed);
}

/// Holders are noted.
#[inline(always)]
pub(crate) fn holders_are_noted() -> bool {
    cfg!(debug_assertions) || NOTED.load(Ordering::Relaxed)
}

/// The caller is about to wait without a deadline for what `holder` (see [`current_caller`](super::current_caller)) has had
/// since `since`. If it unwinds, and the holder can run on the caller's own hub alone, this tells of it, once for each wait.
#[track_caller]
#[cold]
pub(crate) fn tell_if_hopeless(
    kind: WaitKind,
    holder: NonZeroUsize,
    since: &'static Location<'static>,
) {
    if !std::thread::panicking() || !in_greenlet() {
        return;
    }
    let hopeless = Hopeless {
        kind,
        place: Location::caller(),
        holder,
        since,
    };
    if let Some(home) = context::with(context::Context::home) {
        // SAFETY: the hub that runs here is there until the caller's slice ends.
        unsafe { home.as_ref() }.tell_hopeless(&hopeless);
    }
}
