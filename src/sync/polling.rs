//! A failed `try_lock` gives way when its slice is overdue, as every question of ours does whose answer a loop may wait for. But
//! `lock_api`'s `Debug` tries the lock, too, and in the middle of formatting nobody may be let in between: what is printed to
//! may be locked. Its calls are told from the others' by where they come from.

use std::panic::Location;
use std::sync::OnceLock;

use lock_api::{GuardSend, Mutex, RawMutex, RawRwLock, RwLock};

use crate::wait::yield_if_overdue;

/// The caller's `try_lock` has failed.
#[track_caller]
#[inline]
pub(super) fn give_way_unless_formatting() {
    let place = Location::caller();
    if !places_of_debug().contains(&place) {
        yield_if_overdue();
    }
}

/// Where `lock_api` tries a lock that it formats.
fn places_of_debug() -> &'static [&'static Location<'static>; 2] {
    static PLACES: OnceLock<[&'static Location<'static>; 2]> = OnceLock::new();
    PLACES.get_or_init(|| {
        let (mutex, rwlock) = (Mutex::<Probe, ()>::new(()), RwLock::<Probe, ()>::new(()));
        // What is formatted does not matter, and cannot fail.
        let _ = (format!("{mutex:?}"), format!("{rwlock:?}"));
        // SAFETY: the probes are never locked, so nobody else refers to what they note.
        let tried = unsafe { (mutex.raw(), rwlock.raw()) };
        [tried.0.tried(), tried.1.tried()]
    })
}

/// A lock that is always taken, and knows who has tried it.
struct Probe(OnceLock<&'static Location<'static>>);

impl Probe {
    fn tried(&self) -> &'static Location<'static> {
        self.0.get().expect("a lock is tried when it is formatted")
    }

    #[track_caller]
    fn note(&self) -> bool {
        self.0.get_or_init(Location::caller);
        false
    }
}

// SAFETY: it is never locked.
unsafe impl RawMutex for Probe {
    const INIT: Probe = Probe(OnceLock::new());

    type GuardMarker = GuardSend;

    fn lock(&self) {
        unreachable!("it is only tried");
    }

    #[track_caller]
    fn try_lock(&self) -> bool {
        self.note()
    }

    unsafe fn unlock(&self) {}
}

// SAFETY: it is never locked.
unsafe impl RawRwLock for Probe {
    const INIT: Probe = Probe(OnceLock::new());

    type GuardMarker = GuardSend;

    fn lock_shared(&self) {
        unreachable!("it is only tried");
    }

    #[track_caller]
    fn try_lock_shared(&self) -> bool {
        self.note()
    }

    unsafe fn unlock_shared(&self) {}

    fn lock_exclusive(&self) {
        unreachable!("it is only tried");
    }

    fn try_lock_exclusive(&self) -> bool {
        false
    }

    unsafe fn unlock_exclusive(&self) {}
}
