//! Greenlets that have to do with one another: spawned, joined, killed, in scopes, groups and pools.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use greenhub::pool::Group;
use greenhub::runtime::Runtime;
use greenhub::{JoinError, JoinHandle, ScopedJoinHandle};

use super::Operation;
use crate::actor::{Actor, Deliberate, Seat, judge};
use crate::crowd::{Record, Who};
use crate::world::{Rank, Token, World};

pub(super) const TABLE: &[Operation] = &[
    Operation::nest("spawn and join", 8, |actor| {
        if let Some(child) = Child::spawn(actor) {
            child.join(&actor.world);
        }
    }),
    Operation::nest("join in time", 6, join_in_time),
    Operation::nest("spawn and leave", 4, |actor| drop(Child::spawn(actor))),
    Operation::nest("spawn and kill", 6, |actor| {
        if let Some(child) = Child::spawn(actor) {
            if actor.chance(2) {
                greenhub::yield_now();
            }
            child.record.kill();
            child.join(&actor.world);
        }
    }),
    Operation::nest("a panic that is joined", 2, |actor| {
        let seat = actor.seat("panicking");
        let record = Arc::clone(seat.record());
        let handle = greenhub::spawn(move || {
            seat.play(|actor| {
                actor.act();
                resume_unwind(Box::new(Deliberate))
            })
            .1
        });
        Child { handle, record }.join(&actor.world);
    }),
    Operation::nest("spawn_local", 4, local),
    Operation::nest("scope", 8, scope),
    Operation::nest("join_all", 4, |actor| {
        let children = some(actor);
        let (handles, records): (Vec<_>, Vec<_>) = children.into_iter().map(Child::split).unzip();
        let results = greenhub::join_all(handles);
        for (result, record) in results.into_iter().zip(&records) {
            judge_result(&actor.world, record, result);
        }
    }),
    Operation::nest("as_completed", 4, |actor| {
        let handles = some(actor).into_iter().map(|child| child.handle);
        let wanted = actor.below(4) as usize;
        greenhub::as_completed(handles).take(wanted).for_each(drop);
    }),
    Operation::nest("await a greenlet", 4, |actor| {
        if let Some(Child { handle, record }) = Child::spawn(actor) {
            let result = greenhub::block_on(handle);
            judge_result(&actor.world, &record, result);
        }
    }),
    Operation::nest("group", 6, group),
    Operation::nest("pool", 6, pool),
    Operation::nest("pool, imap", 4, imap),
    Operation::nest("a runtime that comes and goes", 1, runtime),
];

/// A greenlet that has been spawned.
struct Child {
    handle: JoinHandle<Token>,
    record: Arc<Record>,
}

impl Child {
    /// Spawns one of any kind, unless there are too many. It ends soon, even while the caller holds what it holds.
    fn spawn(actor: &mut Actor) -> Option<Child> {
        if actor.is_crowded() {
            return None;
        }
        let steps = actor.below(4);
        let (kind, spawn): (_, fn(Job) -> JoinHandle<Token>) = match actor.below(6) {
            0..=2 => ("settled", greenhub::spawn),
            // SAFETY: an actor keeps nothing that belongs to a thread across a wait.
            3 => ("migrating", |job| unsafe { greenhub::spawn_migrating(job) }),
            4 => ("compute", greenhub::spawn_compute),
            _ => ("delayed", |job| {
                greenhub::spawn_after(std::time::Duration::from_micros(50), job)
            }),
        };
        let seat = actor.seat(kind);
        let record = Arc::clone(seat.record());
        let job: Job = Box::new(move || seat.live(steps));
        let handle = if actor.chance(4) {
            let which = actor.below(actor.world.homes.len() as u64) as usize;
            actor.world.homes[which].spawn(job)
        } else {
            spawn(job)
        };
        let who = Who::Greenlet(handle.greenlet().clone());
        actor.world.crowd.introduce(&record, who);
        Some(Child { handle, record })
    }

    fn join(self, world: &World) {
        judge_result(world, &self.record, self.handle.join());
    }

    fn split(self) -> (JoinHandle<Token>, Arc<Record>) {
        (self.handle, self.record)
    }
}

type Job = Box<dyn FnOnce() -> Token + Send>;

fn some(actor: &mut Actor) -> Vec<Child> {
    (0..=actor.below(3))
        .filter_map(|_| Child::spawn(actor))
        .collect()
}

fn judge_result<T>(world: &World, record: &Record, result: Result<T, JoinError>) {
    if let Err(error) = result {
        judge(world, record, error);
    }
}

impl Actor {
    /// Another actor plays this part, in a greenlet that nobody joins.
    pub(super) fn detach(&mut self, part: impl FnOnce(&mut Actor) + Send + 'static) -> Arc<Record> {
        let seat = self.seat("settled");
        let record = Arc::clone(seat.record());
        let handle = greenhub::spawn(move || seat.play(part).1);
        let who = Who::Greenlet(handle.greenlet().clone());
        self.world.crowd.introduce(&record, who);
        record
    }
}

fn join_in_time(actor: &mut Actor) {
    let Some(Child { mut handle, record }) = Child::spawn(actor) else {
        return;
    };
    for _ in 0..3 {
        match handle.join_timeout(actor.brief()) {
            Ok(result) => return judge_result(&actor.world, &record, result),
            Err(back) => handle = back,
        }
    }
    while !handle.is_finished() && !actor.chance(8) {
        greenhub::yield_now();
    }
}

/// Shares what is not `Send` with one on its own hub.
fn local(actor: &mut Actor) {
    if greenhub::try_current().is_none() || actor.record.kind == "migrating" {
        return;
    }
    let shared = Rc::new(actor.token());
    let seat = actor.seat("local");
    let record = Arc::clone(seat.record());
    let handle = greenhub::spawn_local({
        let shared = Rc::clone(&shared);
        move || (seat.live(2), shared)
    });
    let who = Who::Greenlet(handle.greenlet().clone());
    actor.world.crowd.introduce(&record, who);
    if actor.chance(3) {
        return;
    }
    judge_result(&actor.world, &record, handle.join());
}

/// What the children borrow is there as long as they are.
fn scope(actor: &mut Actor) {
    let (inside, world) = (AtomicUsize::new(0), Arc::clone(&actor.world));
    let ended = catch_unwind(AssertUnwindSafe(|| {
        greenhub::scope(|s| {
            let mut handles: Vec<(ScopedJoinHandle<'_, ()>, Arc<Record>)> = Vec::new();
            for _ in 0..=actor.below(3) {
                let (seat, inside) = (actor.seat("scoped"), &inside);
                let record = Arc::clone(seat.record());
                let handle = s.spawn(move || {
                    let _present = Present::enter(inside);
                    drop(seat.live(2));
                });
                let who = Who::Greenlet(handle.greenlet().clone());
                actor.world.crowd.introduce(&record, who);
                handles.push((handle, record));
            }
            actor.within(Rank::NOTHING).act();
            if let Some((handle, record)) = handles.pop() {
                judge_result(&actor.world, &record, handle.join());
            }
        });
    }));
    if inside.load(Ordering::SeqCst) != 0 {
        world.faults.tell("a scope has ended before its greenlets");
    }
    if let Err(payload) = ended {
        resume_unwind(payload);
    }
}

/// Counts one who is there.
struct Present<'a>(&'a AtomicUsize);

impl Present<'_> {
    fn enter(count: &AtomicUsize) -> Present<'_> {
        count.fetch_add(1, Ordering::SeqCst);
        Present(count)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A seat for one that a group or a pool may kill.
fn member(actor: &mut Actor, kind: &'static str, rank: Rank) -> Seat {
    let seat = actor.seat_within(kind, rank);
    seat.record().expect_kill();
    seat
}

fn group(actor: &mut Actor) {
    let group = Group::new();
    for _ in 0..=actor.below(3) {
        let (seat, fails) = (
            member(actor, "group member", Rank::NOTHING),
            actor.chance(6),
        );
        let record = Arc::clone(seat.record());
        let member = group.spawn(move || {
            seat.play(|actor| {
                actor.act();
                if fails {
                    resume_unwind(Box::new(Deliberate));
                }
            })
            .1
        });
        let who = Who::Greenlet(member);
        actor.world.crowd.introduce(&record, who);
    }
    match actor.below(4) {
        0 => drop(group.join()),
        1 => drop(group.join_all()),
        2 => {
            group.kill();
            drop(group.join_all());
        }
        _ => {
            actor.within(Rank::NOTHING).act();
            drop(group);
        }
    }
}

fn pool(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let seat = member(actor, "pool greenlet", Rank::POOL);
    let record = Arc::clone(seat.record());
    let task = move || seat.live(2);
    let handle = if actor.may_wait_for(Rank::POOL) {
        world.pool.spawn(task)
    } else {
        match world.pool.try_spawn(task) {
            Ok(handle) => handle,
            Err(_) => return,
        }
    };
    let who = Who::Greenlet(handle.greenlet().clone());
    world.crowd.introduce(&record, who);
    match actor.below(4) {
        0 => judge_result(&world, &record, handle.join()),
        1 if actor.may_wait_for(Rank::POOL) => world.pool.join(),
        2 => world.pool.kill(),
        _ => {}
    }
}

/// Results come in the order of the items; those that are not asked for are killed.
fn imap(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    if !actor.may_wait_for(Rank::POOL) {
        return;
    }
    let count = 1 + actor.below(5);
    let seats: Vec<_> = (0..count)
        .map(|number| (number, member(actor, "mapped", Rank::POOL)))
        .collect();
    let task = |(number, seat): (u64, Seat)| (number, seat.live(1));
    let wanted = actor.below(count + 1) as usize;
    match actor.below(3) {
        0 => {
            let results = world.pool.imap(seats, task).take(wanted);
            for (result, expected) in results.zip(0..) {
                if result.is_ok_and(|(number, _)| number != expected) {
                    world.faults.tell("a pool maps out of order");
                }
            }
        }
        1 => world
            .pool
            .imap_unordered(seats, task)
            .take(wanted)
            .for_each(drop),
        _ => drop(world.pool.map(seats, task)),
    }
}

/// Ends while its greenlets do something.
fn runtime(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let runtime = Runtime::builder().hubs(1).build().expect("a runtime");
    for _ in 0..=actor.below(3) {
        let seat = member(actor, "guest", Rank::NOTHING);
        let record = Arc::clone(seat.record());
        let handle = runtime.spawn(move || seat.live(2));
        world
            .crowd
            .introduce(&record, Who::Greenlet(handle.greenlet().clone()));
    }
    // Its greenlets may have spawned others there.
    world.close();
    // A runtime's end is waited for, which nobody should do while unwinding.
    let ended = catch_unwind(AssertUnwindSafe(|| actor.within(Rank::NOTHING).act()));
    match actor.below(3) {
        0 => drop(runtime),
        1 => drop(runtime.shutdown_timeout(actor.brief())),
        // By one of its own greenlets.
        _ => drop(runtime.handle().spawn(move || drop(runtime))),
    }
    if let Err(payload) = ended {
        resume_unwind(payload);
    }
}
