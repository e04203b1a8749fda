//! Reading and writing.

use std::sync::Arc;
use std::time::Duration;

use super::Operation;
use crate::actor::{Actor, How};
use crate::world::Rank;

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("write bytes", 12, write),
    Operation::leaf("read bytes", 12, read),
];

fn write(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let pipe = &world.pipes[actor.below(world.pipes.len() as u64) as usize];
    let count = 1 + actor.below(4096) as usize;
    let order = match (pipe.writing(), actor.how(Rank::WRITE)) {
        (None, _) => None,
        (Some(order), How::WithoutEnd) => Some(order.lock()),
        (Some(order), _) => match order.try_lock() {
            Some(order) => Some(order),
            None => return,
        },
    };
    let mut next = order;
    let mut unordered = 0;
    let next = next.as_deref_mut().unwrap_or(&mut unordered);
    // Counted in any case: a shield around this holds the limit back.
    let _waiting = pipe.writers.enter();
    match limit(actor.how_long()) {
        None => pipe.write(next, count, &world.faults),
        Some(length) => {
            let _ = greenhub::timeout(length, || pipe.write(next, count, &world.faults));
        }
    }
}

fn read(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let pipe = &world.pipes[actor.below(world.pipes.len() as u64) as usize];
    let count = 1 + actor.below(4096) as usize;
    let order = match (pipe.reading(), actor.how(Rank::READ)) {
        (None, _) => None,
        (Some(order), How::WithoutEnd) => Some(order.lock()),
        (Some(order), _) => match order.try_lock() {
            Some(order) => Some(order),
            None => return,
        },
    };
    let mut next = order;
    let mut unordered = 0;
    let next = next.as_deref_mut().unwrap_or(&mut unordered);
    // Counted in any case: a shield around this holds the limit back.
    let _waiting = pipe.readers.enter();
    match limit(actor.how_long()) {
        None => pipe.read(next, count, &world.faults),
        Some(length) => {
            let _ = greenhub::timeout(length, || pipe.read(next, count, &world.faults));
        }
    }
}

fn limit(how: How) -> Option<Duration> {
    match how {
        How::WithoutEnd => None,
        How::For(length) => Some(length),
        How::NotAtAll => Some(Duration::ZERO),
    }
}
