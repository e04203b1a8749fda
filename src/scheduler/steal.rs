//! The search of a hub that has run out of work of its own. Whom it robs is decided by its [`Notes`](super::notes::Notes).

use super::hub::Hub;
use super::queue::Loot;
use super::remote::Remote;
use crate::greenlet::Ready;

/// Looks at every other hub of the lane once, from a random one on.
pub(crate) fn steal(hub: &Hub) -> Option<Ready> {
    hub.core(|core| core.notes.next_round());
    let remotes = hub.lane().remotes();
    let first = hub.random_below(remotes.len());
    let me = hub.remote().index();
    let victims = (first..remotes.len())
        .chain(0..first)
        .filter(|victim| *victim != me);
    for victim in victims {
        let remote = &remotes[victim];
        let stealable = remote.stealer().len();
        let slices = remote.heartbeat().running.slices();
        if !hub.core(|core| core.notes.may_rob(victim, stealable, slices)) {
            continue;
        }
        let loot = rob(hub, remote);
        if loot.is_some() {
            return loot;
        }
    }
    None
}

/// Takes half of what can be stolen from one hub: the first of it is returned, the others are in the thief's queue.
pub(crate) fn rob(hub: &Hub, victim: &Remote) -> Option<Ready> {
    let Loot { first, count } = hub.with_queue(|queue| victim.stealer().steal_batch(queue))?;
    victim.heartbeat().robbed_of(count as u64);
    hub.heartbeat().stolen.add(count as u64);
    hub.heartbeat().thefts.add(1);
    Some(first)
}

/// Takes a batch of what has come from outside the lane.
pub(crate) fn take_injected(hub: &Hub) -> Option<Ready> {
    if hub.lane().injector().is_empty() {
        return None;
    }
    hub.with_queue(|queue| hub.lane().injector().take_batch(queue))
        .map(|loot| loot.first)
}
