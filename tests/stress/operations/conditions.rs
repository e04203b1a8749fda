//! Condition variables, barriers and events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::sync::Condvar;

use super::Operation;
use crate::actor::{Actor, How};
use crate::world::{OpenBag, Rank, World};

pub(super) const TABLE: &[Operation] = &[
    Operation::nest("put into the bag", 16, put),
    Operation::nest("take from the bag", 24, take),
    Operation::leaf("notify", 4, |actor| {
        if actor.chance(2) {
            actor.world.bag.filled.notify_one();
        } else {
            actor.world.bag.filled.notify_all();
        }
    }),
    Operation::leaf("barrier", 8, barrier),
    Operation::leaf("wait for the event", 8, event),
    Operation::leaf("set the event", 4, |actor| actor.world.event.set()),
    Operation::leaf("clear the event", 4, |actor| actor.world.event.clear()),
];

fn open<'w>(actor: &mut Actor, world: &'w World) -> Option<OpenBag<'w>> {
    let bag = &world.bag;
    let guard = match actor.how(Rank::BAG) {
        How::WithoutEnd => Some(bag.tokens.lock()),
        How::For(length) => bag.tokens.try_lock_for(length),
        How::NotAtAll => bag.tokens.try_lock(),
    };
    guard.map(|guard| bag.open(guard, &world.faults))
}

/// Tells one of what has been put into the bag, when it is dropped.
struct Notifies<'a>(&'a Condvar);

impl Drop for Notifies<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn put(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let Some(mut bag) = open(actor, &world) else {
        return;
    };
    bag.put(actor.token());
    match actor.below(4) {
        0 => {
            world.bag.filled.notify_all();
        }
        1 => {
            // Though it should be killed meanwhile.
            let _notifies = Notifies(&world.bag.filled);
            actor.act_within(Rank::BAG);
        }
        2 => {
            world.bag.filled.notify_one();
            actor.act_within(Rank::BAG);
        }
        _ => {
            drop(bag);
            world.bag.filled.notify_one();
        }
    }
}

/// Takes one, waiting for it in one way or another. Waiting leaves the bag open to others, so that whatever was seen before is
/// looked at again.
fn take(actor: &mut Actor) {
    // Whatever ends the wait, it then waits for the lock, without end.
    let how = match actor.how_long() {
        _ if !actor.may_wait_for(Rank::BAG) => How::NotAtAll,
        how => how,
    };
    take_as(actor, how);
}

/// Takes one, waiting for it so.
pub(super) fn take_as(actor: &mut Actor, how: How) {
    let world = Arc::clone(&actor.world);
    let Some(mut bag) = open(actor, &world) else {
        return;
    };
    let taken = match how {
        How::NotAtAll => bag.take(),
        How::For(length) => {
            let deadline = Instant::now() + length;
            let by_deadline = actor.chance(2);
            loop {
                if let Some(token) = bag.take() {
                    break Some(token);
                }
                let result = bag.wait(|condvar, guard| {
                    if by_deadline {
                        condvar.wait_until(guard, deadline)
                    } else {
                        condvar.wait_for(guard, deadline - Instant::now().min(deadline))
                    }
                });
                if result.timed_out() {
                    break bag.take();
                }
            }
        }
        How::WithoutEnd => {
            let _waiting = world.bag.takers.enter();
            bag.wait(|condvar, guard| condvar.wait_while(guard, |tokens| tokens.is_empty()));
            let taken = bag.take();
            if taken.is_none() {
                world
                    .faults
                    .tell("a wait for the bag to be filled ended with it empty");
            }
            taken
        }
    };
    actor.act_within(Rank::BAG);
    drop(bag);
    drop(taken);
}

fn barrier(actor: &mut Actor) {
    let (which, how) = (actor.below(2) as usize, actor.how_long());
    let meeting = &actor.world.meetings[which];
    // Counted in any case: a shield around this holds the limit back.
    let _waiting = meeting.waiters.enter();
    match how {
        How::WithoutEnd => meeting.wait(),
        How::For(length) => drop(greenhub::timeout(length, || meeting.wait())),
        How::NotAtAll => drop(greenhub::timeout(Duration::ZERO, || meeting.wait())),
    }
}

fn event(actor: &mut Actor) {
    let how = actor.how_long();
    let event = &actor.world.event;
    match how {
        How::WithoutEnd => {
            let _waiting = actor.world.event_waiters.enter();
            event.wait();
        }
        How::For(length) => drop(event.wait_timeout(length)),
        How::NotAtAll => drop(event.is_set()),
    }
}
