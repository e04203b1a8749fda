//! Limits, shields, and kills that are caught: around anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Operation;
use crate::actor::Actor;
use crate::world::{Faults, Rank};

pub(super) const TABLE: &[Operation] = &[
    Operation::nest("timeout", 24, limited),
    Operation::nest("timeout in timeout", 8, twice_limited),
    Operation::nest("shield", 4, shielded),
    Operation::nest("shield in timeout", 4, |actor| {
        let length = actor.brief();
        let _ = greenhub::timeout(length, || shielded(actor));
    }),
    Operation::nest("timeout in shield", 4, |actor| {
        let mut within = actor.within(Rank::NOTHING);
        greenhub::shield(|| {
            let _uninterrupted = Uninterrupted(&actor.world.faults);
            let length = within.brief();
            if greenhub::timeout(length, || within.act()).is_err() {
                actor.world.faults.tell("a limit ended within a shield");
            }
        });
    }),
    Operation::nest("catch_kill", 6, |actor| {
        let mut within = actor.within(Rank::NOTHING);
        let _ = greenhub::catch_kill(|| within.act());
    }),
    Operation::nest("a destructor that waits", 6, |actor| {
        let _waits = WaitsOnDrop(actor.within(Rank::NOTHING));
        actor.within(Rank::NOTHING).act();
    }),
    Operation::nest("catch_unwind", 2, |actor| {
        // What was caught so is delivered again.
        for _ in 0..2 {
            let mut within = actor.within(Rank::NOTHING);
            let _ = catch_unwind(AssertUnwindSafe(|| within.act()));
        }
    }),
];

fn limited(actor: &mut Actor) {
    let mut within = actor.within(Rank::NOTHING);
    let (begun, length) = (Instant::now(), actor.brief());
    let result = greenhub::timeout(length, || {
        for _ in 0..=within.below(3) {
            within.act();
        }
    });
    if result.is_err() && begun.elapsed() < length {
        actor.world.faults.tell("a limit passed before its time");
    }
}

/// Of two limits that have passed the outer one ends; an inner one ends within it.
fn twice_limited(actor: &mut Actor) {
    let (begun, outer, inner) = (Instant::now(), actor.brief(), actor.brief());
    let mut within = actor.within(Rank::NOTHING);
    let result = greenhub::timeout(outer, || {
        let result = greenhub::timeout(inner, || within.act());
        if result.is_err() && begun.elapsed() < inner {
            within
                .world
                .faults
                .tell("an inner limit passed before its time");
        }
        within.act();
    });
    if result.is_err() && begun.elapsed() < outer {
        actor
            .world
            .faults
            .tell("an outer limit passed before its time");
    }
}

/// Nothing unwinds out of a shield.
struct Uninterrupted<'a>(&'a Faults);

impl Drop for Uninterrupted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell("something was delivered within a shield");
        }
    }
}

fn shielded(actor: &mut Actor) {
    let mut within = actor.within(Rank::NOTHING);
    greenhub::shield(|| {
        let _uninterrupted = Uninterrupted(&actor.world.faults);
        within.act();
    });
}

/// Waits when it is dropped, for as long as it may: while a kill or a limit unwinds, too, when it has its hub to itself.
struct WaitsOnDrop(Actor);

impl Drop for WaitsOnDrop {
    fn drop(&mut self) {
        let (world, length) = (Arc::clone(&self.0.world), self.0.brief() / 8);
        match self.0.below(7) {
            0 => greenhub::sleep(length),
            1 => greenhub::yield_now(),
            2 => drop(world.mutexes[0].lock.try_lock_for(length)),
            3 => drop(world.rwlocks[0].lock.try_read_for(length)),
            4 => drop(world.permits[1].semaphore.acquire_many_for(2, length)),
            5 => drop(world.event.wait_timeout(length)),
            _ => greenhub::park_timeout(length),
        }
    }
}
