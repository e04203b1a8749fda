//! The stacks of greenlets that do not run.
//!
//! They are read by the dump's own thread, from outside: no hub waits for that. To unwind one and to look up its lines takes
//! some ten microseconds, so a dump of a hundred thousand greenlets shows those of some: of one in each place where some
//! wait, and then of others up to a limit.

use std::collections::HashSet;

use crate::detector::{Frame, stack_of_suspended};
use crate::greenlet::{Header, Phase};
use crate::scheduler::{Listed, Shared};

/// How many stacks a dump shows.
const MOST: usize = 256;

/// What a dump shows of the stacks of `listed`, in the same order.
pub(super) fn stacks_of(shared: &Shared, listed: &[Listed]) -> Vec<Vec<Frame>> {
    let mut stacks: Vec<Vec<Frame>> = listed.iter().map(|_| Vec::new()).collect();
    let mut left = MOST;
    let mut places = HashSet::new();
    for first_round in [true, false] {
        for (one, stack) in listed.iter().zip(&mut stacks) {
            let details = &one.details;
            let place = details.wait.map(|wait| wait.place);
            let is_first = first_round && places.insert((place, details.spawned_at));
            if left > 0 && is_suspended(one) && stack.is_empty() && (is_first || !first_round) {
                *stack = stack_of(shared, one);
                left -= 1;
            }
        }
    }
    stacks
}

fn is_suspended(one: &Listed) -> bool {
    matches!(one.details.phase, Phase::Active | Phase::Parked) && !one.running
}

fn stack_of(shared: &Shared, one: &Listed) -> Vec<Frame> {
    let stack = stack_of_suspended(Header::fiber_address_in(one.address));
    let is_its_own = match (one.seen_in, one.hub) {
        // It has been kept alive.
        (None, _) => true,
        // Otherwise it was alive if its hub is where it was.
        (Some(slice), Some(hub)) => shared.lane(one.lane).is_some_and(|lane| {
            let running = &lane.remotes()[hub].heartbeat().running;
            running.number_of_slice() == Some(slice)
        }),
        (Some(_), None) => false,
    };
    if is_its_own {
        stack.unwrap_or_default()
    } else {
        Vec::new()
    }
}
