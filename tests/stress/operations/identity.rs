//! Who is who: holders of a reentrant mutex whose guards outlive them, and threads that lock when they have all but ended.

use std::cell::RefCell;
use std::rc::Rc;

use super::Operation;
use crate::actor::{Actor, How, Seat};
use crate::world::{IDENTITY, Rank};

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("reentrant mutex of all", 8, enter),
    Operation::leaf("a guard that outlives its greenlet", 8, outlive),
    Operation::leaf("a thread that locks as it ends", 1, end),
];

/// Whoever has it gives way, and no more.
fn enter(actor: &mut Actor) {
    let guard = match actor.how(Rank::IDENTITY) {
        How::WithoutEnd => Some(IDENTITY.lock.lock()),
        How::For(length) => IDENTITY.lock.try_lock_for(length),
        How::NotAtAll => IDENTITY.lock.try_lock(),
    };
    let Some(_guard) = guard else { return };
    let _entered = IDENTITY.enter(actor.record.number, &actor.world.faults);
    greenhub::yield_now();
}

/// Its greenlet is gone, and its address may be another's. Nobody else is the holder.
fn outlive(actor: &mut Actor) {
    if greenhub::try_current().is_none() || actor.record.kind == "migrating" {
        return;
    }
    let kept = Rc::new(RefCell::new(None));
    let seat = actor.seat("local");
    let number = seat.record().number;
    let holder = greenhub::spawn_local({
        let kept = Rc::clone(&kept);
        move || {
            seat.play(|_| *kept.borrow_mut() = IDENTITY.lock.try_lock());
        }
    });
    let _ = holder.join();
    if kept.borrow().is_none() {
        return;
    }
    let _entered = IDENTITY.enter(number, &actor.world.faults);
    for _ in 0..4 {
        // Newcomers, some of which have the same address as the holder had.
        actor.detach(enter);
        greenhub::yield_now();
    }
}

thread_local! {
    /// Locks when the thread's other thread-locals are gone: it was made first.
    static LAST: RefCell<Option<Ends>> = const { RefCell::new(None) };
}

struct Ends(Option<Seat>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(seat) = self.0.take() {
            seat.play(|actor| {
                for _ in 0..3 {
                    let _guard = IDENTITY.lock.lock();
                    let _entered = IDENTITY.enter(actor.record.number, &actor.world.faults);
                    std::thread::yield_now();
                }
            });
        }
    }
}

fn end(actor: &mut Actor) {
    for _ in 0..2 {
        let seat = actor.seat("ending thread");
        std::thread::spawn(move || {
            LAST.set(Some(Ends(Some(seat))));
            // What greenhub keeps for a thread is made after it, and gone before it.
            greenhub::park_timeout(std::time::Duration::ZERO);
            drop(IDENTITY.lock.try_lock());
        });
    }
}
