//! Hubs look after a hub that is stuck in one slice.
//!
//! Such a hub cannot serve its poller and its timers, nor its queues. Whoever waits there and may run elsewhere need not
//! wait for it: other hubs take what can be stolen, and serve poller and timers in its stead. (What is settled on the
//! stuck hub stays in its inbox.)
//!
//! Busy hubs look as part of their maintenance. Idle ones, while any hub of the lane is awake, sleep for
//! [`INTERVAL`](super::watch::INTERVAL) at the longest, and look: they *watch*. When all have been idle for a while nobody
//! looks, and nobody wakes. The first hub to run a greenlet then notifies another before it does (`Idle::pick_watcher`),
//! which finds nothing to do, and watches. So: **while a hub runs a greenlet, another is awake or watches.** A hub that goes
//! idle decides under the lock of the sleepers whether it watches, and whoever wakes looks under that lock whether one does.

use std::time::Instant;

use super::hub::Hub;
use super::remote::Remote;
use super::steal::rob;
use crate::driver::Events;

/// It is time to look at the others again.
pub(crate) fn is_due(hub: &Hub, now: Instant) -> bool {
    hub.lane().remotes().len() > 1 && hub.core(|core| core.watch.is_due(now))
}

/// Does the work of every hub of the lane that has been in one slice since the last look, as far as others can.
pub(crate) fn help_the_stuck(hub: &Hub, now: Instant, events: &mut Events) {
    let me = hub.remote().index();
    let remotes = hub.lane().remotes().iter();
    for remote in remotes.filter(|remote| remote.index() != me) {
        let slices = remote.heartbeat().running.slices();
        let still = hub.core(|core| core.watch.stands_still(remote.index(), slices));
        if still && !remote.inbox().is_idle() {
            serve(remote, now, events);
            if let Some(ready) = rob(hub, remote) {
                hub.with_queue(|queue| queue.push(ready));
            }
        }
    }
}

fn serve(remote: &Remote, now: Instant, events: &mut Events) {
    // An error here is the owner's to meet.
    let _ = remote.driver().poll(events, false);
    if remote.driver().timers().next().is_some_and(|at| at <= now) {
        remote.driver().fire_timers(now);
    }
}
