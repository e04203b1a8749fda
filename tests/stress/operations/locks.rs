//! Mutexes, read-write locks, semaphores, and what is made once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use greenhub::sync::{MutexGuard, RwLockWriteGuard};

use super::Operation;
use crate::actor::{Actor, Deliberate, How};
use crate::world::Rank;

pub(super) const TABLE: &[Operation] = &[
    Operation::nest("mutex", 16, mutex),
    Operation::nest("read", 16, read_any),
    Operation::nest("write", 16, write_any),
    Operation::nest("reentrant mutex", 8, reentrant),
    Operation::nest("semaphore", 16, semaphore),
    Operation::nest("owned permits", 6, owned_permits),
    Operation::nest("once", 4, once),
    Operation::nest("once lock", 4, once_lock),
];

/// Of two equal ones; in some rounds there is but one.
fn which(actor: &mut Actor) -> usize {
    actor.below(actor.world.mix.locks) as usize
}

fn mutex(actor: &mut Actor) {
    let which = which(actor);
    let how = actor.how(Rank::MUTEXES[which]);
    lock(actor, which, how);
}

/// Has that mutex for a while.
pub(super) fn lock(actor: &mut Actor, which: usize, how: How) {
    let world = Arc::clone(&actor.world);
    let (guarded, rank) = (&world.mutexes[which], Rank::MUTEXES[which]);
    let guard = match how {
        How::WithoutEnd => Some(guarded.lock.lock()),
        How::For(length) => guarded.lock.try_lock_for(length),
        How::NotAtAll => guarded.lock.try_lock(),
    };
    let Some(mut guard) = guard else { return };
    let holder = guarded.inside.alone(guarded.name, &world.faults);
    if holder.is_sound {
        let _writing = guard.write(guarded.name, &world.faults);
        actor.act_within(rank);
    }
    drop(holder);
    if actor.chance(4) {
        MutexGuard::unlock_fair(guard);
    }
}

fn read_any(actor: &mut Actor) {
    let which = which(actor);
    let how = actor.how(Rank::RWLOCKS[which]);
    read(actor, which, how);
}

/// Has that read-write lock for a while, for reading.
pub(super) fn read(actor: &mut Actor, which: usize, how: How) {
    let world = Arc::clone(&actor.world);
    let (guarded, rank) = (&world.rwlocks[which], Rank::RWLOCKS[which]);
    let guard = match how {
        How::WithoutEnd => Some(guarded.lock.read()),
        How::For(length) => guarded.lock.try_read_for(length),
        How::NotAtAll => guarded.lock.try_read(),
    };
    let Some(guard) = guard else { return };
    let holder = guarded.inside.among_readers(guarded.name, &world.faults);
    if holder.is_sound {
        guard.check(guarded.name, &world.faults);
        if actor.chance(4) {
            // Whoever waits, it is let in.
            let again = guarded.lock.read_recursive();
            actor.act_within(rank);
            again.check(guarded.name, &world.faults);
        } else {
            actor.act_within(rank);
        }
        guard.check(guarded.name, &world.faults);
    }
}

fn write_any(actor: &mut Actor) {
    let which = which(actor);
    let how = actor.how(Rank::RWLOCKS[which]);
    write(actor, which, how);
}

/// Has that read-write lock for a while, for writing.
pub(super) fn write(actor: &mut Actor, which: usize, how: How) {
    let world = Arc::clone(&actor.world);
    let (guarded, rank) = (&world.rwlocks[which], Rank::RWLOCKS[which]);
    let guard = match how {
        How::WithoutEnd => Some(guarded.lock.write()),
        How::For(length) => guarded.lock.try_write_for(length),
        How::NotAtAll => guarded.lock.try_write(),
    };
    let Some(mut guard) = guard else { return };
    let holder = guarded.inside.alone(guarded.name, &world.faults);
    if holder.is_sound {
        let _writing = guard.write(guarded.name, &world.faults);
        actor.act_within(rank);
    }
    drop(holder);
    if actor.chance(3) {
        let guard = RwLockWriteGuard::downgrade(guard);
        let holder = guarded.inside.among_readers(guarded.name, &world.faults);
        if holder.is_sound {
            guard.check(guarded.name, &world.faults);
            actor.act_within(rank);
        }
        drop(holder);
    }
}

fn reentrant(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let nested = &world.nested;
    let guard = match actor.how(Rank::NESTED) {
        How::WithoutEnd => Some(nested.lock.lock()),
        How::For(length) => nested.lock.try_lock_for(length),
        How::NotAtAll => nested.lock.try_lock(),
    };
    let Some(_guard) = guard else { return };
    let _entered = nested.enter(actor.record.number, &world.faults);
    if actor.chance(2) {
        let _again = nested.lock.lock();
        let _entered = nested.enter(actor.record.number, &world.faults);
        actor.act_within(Rank::NESTED);
    }
    actor.act_within(Rank::NESTED);
}

fn semaphore(actor: &mut Actor) {
    let which = which(actor);
    let how = actor.how(Rank::PERMITS[which]);
    let all = actor.world.permits[which].all as u64;
    let count = 1 + actor.below(all) as usize;
    acquire(actor, which, count, how);
}

/// Has so many permits of that semaphore for a while.
pub(super) fn acquire(actor: &mut Actor, which: usize, count: usize, how: How) {
    let world = Arc::clone(&actor.world);
    let (permits, rank) = (&world.permits[which], Rank::PERMITS[which]);
    let taken = match how {
        How::WithoutEnd => Some(permits.semaphore.acquire_many(count)),
        How::For(length) => permits.semaphore.acquire_many_for(count, length),
        How::NotAtAll => permits.semaphore.try_acquire_many(count),
    };
    let Some(_taken) = taken else { return };
    let _using = permits.take(count, &world.faults);
    actor.act_within(rank);
}

fn owned_permits(actor: &mut Actor) {
    let (world, which) = (Arc::clone(&actor.world), which(actor));
    let (permits, rank) = (&world.permits[which], Rank::PERMITS[which]);
    let semaphore = Arc::clone(&permits.semaphore);
    let taken = if actor.may_wait_for(rank) {
        Some(semaphore.acquire_many_owned(permits.all))
    } else {
        semaphore.try_acquire_owned()
    };
    let Some(taken) = taken else { return };
    let _using = permits.take(taken.count(), &world.faults);
    actor.act_within(rank);
}

fn once(actor: &mut Actor) {
    let (world, which) = (Arc::clone(&actor.world), actor.below(4) as usize);
    let singular = &world.singulars[which];
    if actor.may_wait_for(Rank::SINGULAR) {
        singular.once.call_once(|| {
            let _holder = singular.doing.alone("what is done once", &world.faults);
            actor.act_within(Rank::SINGULAR);
            singular
                .done
                .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
    }
    let done = singular.done.load(std::sync::atomic::Ordering::SeqCst);
    if singular.once.is_completed() && done != 1 {
        world
            .faults
            .tell(format!("what is done once was done {done} times"));
    }
}

/// Sometimes the making fails.
fn once_lock(actor: &mut Actor) {
    let (world, which) = (Arc::clone(&actor.world), actor.below(4) as usize);
    let singular = &world.singulars[which];
    if !actor.may_wait_for(Rank::SINGULAR) {
        if let Some(value) = singular.value.get() {
            singular.see(value, &world.faults);
        }
        return;
    }
    let made = catch_unwind(AssertUnwindSafe(|| {
        singular.value.get_or_init(|| {
            let _holder = singular.making.alone("what makes it", &world.faults);
            actor.act_within(Rank::SINGULAR);
            if actor.chance(2) {
                resume_unwind(Box::new(Deliberate));
            }
            actor.token()
        })
    }));
    match made {
        Ok(value) => singular.see(value, &world.faults),
        Err(payload) if payload.is::<Deliberate>() => {}
        Err(payload) => resume_unwind(payload),
    }
}
