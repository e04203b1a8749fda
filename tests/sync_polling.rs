//! Loops that ask until the answer changes, on a hub whose other greenlets would change it.

mod common;

use std::sync::Arc;

use common::{Kind, both_kinds_on, until_parked};
use greenhub::sync::{Event, Once, OnceLock, Semaphore};

/// One greenlet asks while the others, on the same hub, have still to run.
fn polls<S: Send + Sync + 'static>(
    kind: Kind,
    shared: S,
    changes: fn(&S),
    is_changed: fn(&S) -> bool,
) {
    let shared = Arc::new(shared);
    let ours = Arc::clone(&shared);
    let other = kind.spawn(move || {
        greenhub::yield_now();
        changes(&ours);
    });
    while !is_changed(&shared) {}
    other.join().unwrap();
}

#[test]
fn a_loop_that_asks_for_an_event_lets_it_happen() {
    both_kinds_on(1, |kind| {
        polls(kind, Event::new(), Event::set, Event::is_set)
    });
}

#[test]
fn a_loop_that_asks_for_a_value_lets_it_be_made() {
    both_kinds_on(1, |kind| {
        let make = |lock: &OnceLock<u8>| assert!(lock.set(1).is_ok());
        polls(kind, OnceLock::new(), make, |lock| lock.get().is_some());
        let run = |once: &Once| once.call_once(|| ());
        polls(kind, Once::new(), run, Once::is_completed);
    });
}

#[test]
fn a_loop_that_tries_for_a_permit_lets_it_come_back() {
    both_kinds_on(1, |kind| {
        let add = |semaphore: &Semaphore| semaphore.add_permits(1);
        let new = || Semaphore::new(0);
        polls(kind, new(), add, |one| one.try_acquire().is_some());
        polls(kind, new(), add, |one| one.try_acquire_many(1).is_some());
        polls(kind, new(), add, |one| one.available_permits() > 0);
        polls(
            kind,
            Arc::new(new()),
            |one| one.add_permits(1),
            |one| Arc::clone(one).try_acquire_owned().is_some(),
        );
    });
}

/// Nothing is delivered by a question; the poller ends at its next wait.
#[test]
fn a_killed_poller_is_not_unwound_by_a_question() {
    both_kinds_on(1, |kind| {
        let event = Arc::new(Event::new());
        let ours = Arc::clone(&event);
        let poller = kind.spawn(move || {
            greenhub::shield(greenhub::park);
            while !ours.is_set() {}
            ours.clear();
            greenhub::park();
        });
        until_parked(poller.greenlet());
        poller.kill();
        poller.greenlet().unpark();
        // It asks, and gives way.
        greenhub::yield_now();
        event.set();
        assert!(poller.join().unwrap_err().is_killed());
        assert!(!event.is_set(), "it came to the end of its loop");
    });
}
