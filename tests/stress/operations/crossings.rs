//! One gives up at the very moment at which it is given what it waits for; another waits behind it for something else of the
//! same. Whoever brings it spins, so that the others run beside it, on other hubs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Operation;
use super::channels::{any_line, receive_from, send_to};
use super::conditions::take_as;
use super::locks::{acquire, lock, read, write};
use crate::actor::{Actor, How};
use crate::world::Rank;

pub(super) const LOCKS: &[Operation] = &[
    Operation::nest("mutex, given up", 6, |actor| {
        let which = actor.below(2) as usize;
        if actor.may_wait_for(Rank::MUTEXES[which]) {
            let waits = move |actor: &mut Actor| lock(actor, which, How::WithoutEnd);
            let world = Arc::clone(&actor.world);
            let guard = world.mutexes[which].lock.lock();
            cross(actor, waits, waits, || drop(guard));
        }
    }),
    Operation::nest("read-write lock, given up", 12, |actor| {
        let (which, reads_first) = (actor.below(2) as usize, actor.chance(2));
        if actor.may_wait_for(Rank::RWLOCKS[which]) {
            let reads = move |actor: &mut Actor| read(actor, which, How::WithoutEnd);
            let writes = move |actor: &mut Actor| write(actor, which, How::WithoutEnd);
            let world = Arc::clone(&actor.world);
            let guard = world.rwlocks[which].lock.write();
            if reads_first {
                cross(actor, reads, writes, || drop(guard));
            } else {
                cross(actor, writes, reads, || drop(guard));
            }
        }
    }),
    Operation::nest("semaphore, given up", 12, |actor| {
        let which = 1;
        let all = actor.world.permits[which].all;
        let (few, many) = (1, all);
        if actor.may_wait_for(Rank::PERMITS[which]) {
            let first = if actor.chance(2) { few } else { many };
            let world = Arc::clone(&actor.world);
            let permits = world.permits[which].semaphore.acquire_many(all);
            cross(
                actor,
                move |actor| acquire(actor, which, first, How::WithoutEnd),
                move |actor| acquire(actor, which, few + many - first, How::WithoutEnd),
                || drop(permits),
            );
        }
    }),
];

pub(super) const CONDITIONS: &[Operation] = &[
    Operation::nest("condition, given up", 12, |actor| {
        if !actor.may_wait_for(Rank::BAG) {
            return;
        }
        let first = if actor.chance(2) {
            How::WithoutEnd
        } else {
            How::For(actor.brief())
        };
        let (world, token) = (Arc::clone(&actor.world), actor.token());
        cross(
            actor,
            move |actor| take_as(actor, first),
            |actor| take_as(actor, How::WithoutEnd),
            || {
                let mut bag = world.bag.open(world.bag.tokens.lock(), &world.faults);
                bag.put(token);
                drop(bag);
                world.bag.filled.notify_one();
            },
        );
    }),
    Operation::nest("barrier, given up", 8, |actor| {
        let waits = move |actor: &mut Actor| {
            let meeting = &actor.world.meetings[1];
            let _waiting = meeting.waiters.enter();
            meeting.wait();
        };
        let world = Arc::clone(&actor.world);
        let mut bring = actor.within(Rank::NOTHING);
        cross(actor, waits, waits, || {
            let length = bring.brief();
            let _waiting = world.meetings[1].waiters.enter();
            let _ = greenhub::timeout(length, || world.meetings[1].wait());
        });
    }),
];

pub(super) const CHANNELS: &[Operation] = &[
    Operation::nest("a receiver, given up", 8, |actor| {
        let world = Arc::clone(&actor.world);
        let line = any_line(actor, &world.lines);
        let at = line.number();
        let waits = move |actor: &mut Actor| {
            let world = Arc::clone(&actor.world);
            receive_from(actor, &world.lines[at], How::WithoutEnd);
        };
        let bring = actor.within(Rank::NOTHING);
        cross(actor, waits, waits, || send_to(&bring, line, How::NotAtAll));
    }),
    Operation::nest("a sender, given up", 8, |actor| {
        let world = Arc::clone(&actor.world);
        let line = any_line(actor, &world.lines);
        let at = line.number();
        let waits = move |actor: &mut Actor| {
            let world = Arc::clone(&actor.world);
            send_to(actor, &world.lines[at], How::WithoutEnd);
        };
        let bring = actor.within(Rank::NOTHING);
        cross(actor, waits, waits, || {
            receive_from(&bring, line, How::NotAtAll);
        });
    }),
];

/// For how long whoever brings something waits for the others to come.
const PATIENCE: Duration = Duration::from_micros(500);

/// `first` waits, and then `second`; `first` gives up, and at about that time `bring` gives one of them what it waits for.
fn cross(
    actor: &mut Actor,
    first: impl FnOnce(&mut Actor) + Send + 'static,
    second: impl FnOnce(&mut Actor) + Send + 'static,
    bring: impl FnOnce(),
) {
    if actor.is_crowded() {
        return;
    }
    let come = Arc::new(AtomicUsize::new(0));
    let limit = actor.chance(3).then(|| actor.brief());
    let victim = actor.detach({
        let come = Arc::clone(&come);
        move |actor| {
            come.fetch_add(1, Ordering::Relaxed);
            match limit {
                None => first(actor),
                Some(limit) => drop(greenhub::timeout(limit, || first(actor))),
            }
        }
    });
    let begun = Instant::now();
    let until_come = |count| {
        spin(|| come.load(Ordering::Relaxed) < count && begun.elapsed() < PATIENCE);
    };
    until_come(1);
    actor.detach({
        let come = Arc::clone(&come);
        move |actor| {
            come.fetch_add(1, Ordering::Relaxed);
            second(actor);
        }
    });
    until_come(2);
    linger(actor);
    if limit.is_none() {
        victim.kill();
    }
    linger(actor);
    bring();
}

/// Spins for a moment: who is woken may be on its way already, or on a hub that sleeps.
fn linger(actor: &mut Actor) {
    let most = 1000 << actor.below(7);
    let (begun, length) = (Instant::now(), Duration::from_nanos(actor.below(most)));
    spin(|| begun.elapsed() < length);
}

fn spin(goes_on: impl Fn() -> bool) {
    while goes_on() {
        std::hint::spin_loop();
    }
}
