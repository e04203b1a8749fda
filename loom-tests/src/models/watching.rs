//! Watching hubs (`scheduler/running.rs`, `detector/slumber.rs`): the watchdog never pairs one greenlet with another's
//! slice, never touches one that has gone, and never sleeps beside a slice.
//!
//! Caught: the number of a slice not released, and its end not fenced; no second look at the slice's number; the fence left out on
//! either side; a hub that does not wait for a claim; a claim, or its end, that is not ordered with what was done under it; the
//! fence left out before the watchdog's last look, and before a hub's; a hub that does not wake it.

use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::{Crossing, explore, explore_within};
use crate::bell::Bell;
use crate::detector::slumber::Slumber;
use crate::scheduler::idle::Idle;
use crate::scheduler::running::{Claim, Running};

/// A greenlet's header: it is there until its hub clears up after it.
struct Greenlet {
    name: u64,
    alive: UnsafeCell<bool>,
}

impl Greenlet {
    fn new(name: u64) -> Greenlet {
        Greenlet {
            name,
            alive: UnsafeCell::new(true),
        }
    }
}

struct Hub {
    running: Running<Greenlet>,
    claim: Claim<Greenlet>,
    greenlets: [Greenlet; 2],
    /// The hub reads its number before it changes it.
    crossing: Crossing,
}

// SAFETY: loom checks every access to what is not `Sync` by itself.
unsafe impl Sync for Hub {}
// SAFETY: as above.
unsafe impl Send for Hub {}

impl Hub {
    fn new() -> Arc<Hub> {
        Arc::new(Hub {
            running: Running::new(),
            claim: Claim::new(),
            // Named after the numbers of their slices.
            greenlets: [Greenlet::new(1), Greenlet::new(3)],
            crossing: Crossing::new(),
        })
    }

    /// `slice::resume` and `slice::finish`, of a greenlet that has one slice.
    fn run(&self, greenlet: &Greenlet) {
        self.slice(&self.running, greenlet);
        self.clear_up(greenlet);
    }

    fn slice(&self, running: &Running<Greenlet>, greenlet: &Greenlet) {
        self.crossing.pass();
        running.begin(NonNull::from(greenlet));
        self.crossing.pass();
        running.end();
    }

    fn clear_up(&self, greenlet: &Greenlet) {
        self.claim.wait(NonNull::from(greenlet));
        // SAFETY: loom checks that nobody looks at it meanwhile.
        greenlet.alive.with_mut(|alive| unsafe { *alive = false });
    }

    /// `Shared::running_on`.
    fn look(&self) {
        self.crossing.pass();
        let number = self.running.number();
        let name = self.claim.with(&self.running, number, |greenlet| {
            // SAFETY: that is what this is about: the claim keeps it there.
            let greenlet = unsafe { greenlet.as_ref() };
            // SAFETY: loom checks that nobody writes it meanwhile.
            greenlet.alive.with(|alive| assert!(unsafe { *alive }));
            greenlet.name
        });
        assert!(name.is_none_or(|name| name == number), "{name:?}: {number}");
    }
}

#[test]
fn watching_a_hub_names_the_greenlet_of_the_slice_while_it_lives() {
    explore(|| {
        let hub = Hub::new();
        let other = Arc::clone(&hub);
        let thread = thread::spawn(move || other.greenlets.iter().for_each(|it| other.run(it)));
        hub.look();
        thread.join().unwrap();
    });
}

/// They yield, rather than end: nothing but the end of a slice comes between it and the next.
#[test]
fn watching_a_hub_names_the_greenlet_of_the_slice_when_others_take_turns() {
    explore(|| {
        let hub = Hub::new();
        let other = Arc::clone(&hub);
        let thread = thread::spawn(move || {
            let turns = other.greenlets.iter();
            turns.for_each(|it| other.slice(&other.running, it));
        });
        hub.look();
        thread.join().unwrap();
    });
}

#[test]
fn watching_a_hub_between_two_slices_names_nobody() {
    explore(|| {
        let hub = Hub::new();
        hub.run(&hub.greenlets[0]);
        let looked = hub.claim.with(&hub.running, hub.running.number(), |_| ());
        assert_eq!(looked, None);
        assert_eq!(hub.running.slices(), 1);
    });
}

/// A migrating greenlet leaves the hub that is watched, and ends on another.
#[test]
fn watching_a_hub_keeps_a_greenlet_that_ends_elsewhere() {
    explore_within(3, || {
        let (watched, last) = (Hub::new(), Arc::new(Running::new()));
        let hub = Arc::clone(&watched);
        let thread = thread::spawn(move || {
            let greenlet = &hub.greenlets[0];
            hub.slice(&hub.running, greenlet);
            let hub = Arc::clone(&hub);
            // It is taken by another hub.
            let thief = thread::spawn(move || {
                let greenlet = &hub.greenlets[0];
                hub.slice(&last, greenlet);
                hub.clear_up(greenlet);
            });
            thief.join().unwrap();
        });
        watched.look();
        thread.join().unwrap();
    });
}

/// The hub's slice does not end: if the watchdog sleeps beside it for good, loom reports a deadlock.
#[test]
fn watching_is_resumed_when_an_idle_hub_runs_something() {
    explore(|| {
        let lane = Arc::new((Idle::new(1), Slumber::new(), Bell::new()));
        let _watches = lane.0.enter(0, false, false);
        let hub = Arc::clone(&lane);
        let hub = thread::spawn(move || {
            let (idle, slumber, bell) = &*hub;
            let _woken = idle.leave(0);
            if slumber.ends() {
                bell.ring();
            }
        });
        let (idle, slumber, bell) = &*lane;
        slumber.enter();
        if idle.all_sleep() {
            bell.wait();
        }
        slumber.leave();
        hub.join().unwrap();
    });
}

/// Of two hubs that wake, one wakes the watchdog.
#[test]
fn watching_is_resumed_once_for_two_hubs() {
    explore(|| {
        let slumber = Arc::new(Slumber::new());
        slumber.enter();
        let other = Arc::clone(&slumber);
        let other = thread::spawn(move || other.ends());
        let mine = slumber.ends();
        assert!(mine != other.join().unwrap());
    });
}
