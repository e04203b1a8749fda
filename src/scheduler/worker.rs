//! The loop of a hub: run what is ready, look around now and then, search when there is nothing, and go idle.

use std::time::{Duration, Instant};

use super::giving_up::give_up;
use super::help;
use super::hub::Hub;
use super::idle::Woken;
use super::shutdown;
use super::slice;
use super::stackless::{RETRY, Verdict};
use super::steal::{steal, take_injected};
use super::telling;
use super::watch;
use crate::driver::Events;
use crate::greenlet::Ready;

/// The fewest and the most rounds of a search before the hub goes idle. A round is some 0.3 µs; to wake a sleeping core
/// costs 60 µs and more, so a search that pays is worth up to about as much.
const PATIENCE: (u32, u32) = (4, 160);

/// Processor pauses between two rounds.
const PAUSES: u32 = 8;

/// A search looks at its poller every so many rounds.
const ROUNDS_PER_POLL: u32 = 16;

/// The first and the longest nap of a searcher that has found nothing; each is twice as long as the one before.
const NAP: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));

/// After so many naps at whose end no other hub was busy, a searcher goes idle.
const QUIET_NAPS: u32 = 20;

/// Runs greenlets until the runtime is shut down and all that this hub owns have ended.
pub(crate) fn run(hub: &Hub) {
    hub.core(|core| core.patience = PATIENCE.0);
    loop {
        while let Some(ready) = next(hub) {
            slice::run(hub, ready);
        }
        if shutdown::is_over_for_good(hub) {
            return shutdown::end(hub);
        }
    }
}

/// The next greenlet to run; `None` when there will be none.
#[inline]
fn next(hub: &Hub) -> Option<Ready> {
    if hub.is_maintenance_due() {
        maintain(hub);
    }
    hub.take_ready().or_else(|| find(hub))
}

/// What a busy hub does now and then, and an idle one all the time.
#[inline(never)]
fn maintain(hub: &Hub) {
    let now = Instant::now();
    hub.pace_maintenance(now);
    serve_driver(hub);
    if help::is_due(hub, now) {
        with_events(hub, |events| help::help_the_stuck(hub, now, events));
    }
    if !hub.lane().injector().is_empty() {
        hub.with_queue(|queue| hub.lane().injector().move_batch(queue));
    }
    if hub.has_several_stealable() {
        hub.notify_of_push();
    }
    retry_stackless(hub);
    shutdown::notice(hub);
    hub.heartbeat().set_queued(hub.settled_len());
    if hub.remote().questions().are_there() {
        telling::answer(hub);
    }
}

/// Fires timers that are due, and wakes whom the poller names, without blocking.
fn serve_driver(hub: &Hub) {
    let driver = hub.remote().driver();
    // A hub that was blocked has its events already.
    let has_polled = hub.core(|core| std::mem::take(&mut core.has_polled));
    if driver.registered() > 0 && !has_polled {
        hub.heartbeat().polls.add(1);
        // An error here comes again from the blocking wait, which reports it.
        let _ = with_events(hub, |events| driver.poll(events, true));
    }
    if let Some(at) = driver.timers().next() {
        let now = Instant::now();
        if at <= now {
            driver.fire_timers(now);
        }
    }
    hub.context().set_awaited(driver.is_awaited());
}

/// Lends the hub's event buffer; it is out of the core meanwhile, because waking greenlets comes back to the core.
fn with_events<R>(hub: &Hub, f: impl FnOnce(&mut Events) -> R) -> R {
    let mut events = hub.core(|core| core.events.take()).unwrap_or_default();
    let result = f(&mut events);
    hub.core(|core| core.events = Some(events));
    result
}

/// Finds a greenlet somewhere, going idle as often as there is none. `None` when the hub is to end.
#[inline(never)]
fn find(hub: &Hub) -> Option<Ready> {
    loop {
        if let Some(ready) = search(hub) {
            leave_a_watcher(hub);
            return Some(ready);
        }
        shutdown::notice(hub);
        if !hub.has_nothing_ready() {
            // Those that it has killed.
            continue;
        }
        if shutdown::is_over(hub) {
            stop_searching(hub);
            return None;
        }
        if !(wants_nap(hub) && nap(hub)) {
            idle(hub);
        }
        maintain(hub);
    }
}

/// A hub that was idle is about to run what it has found: one of the others must look after it.
fn leave_a_watcher(hub: &Hub) {
    if !hub.core(|core| std::mem::take(&mut core.was_idle)) {
        return;
    }
    if hub.lane().notify_watcher() {
        hub.heartbeat().notifies.add(1);
    }
    if let Some(observer) = hub.shared().observer() {
        observer.hub_wakes();
    }
}

/// A searcher naps rather than idle while other hubs are busy, and for a while after.
fn wants_nap(hub: &Hub) -> bool {
    if !hub.core(|core| core.searching) || hub.lane().remotes().len() == 1 {
        return false;
    }
    if hub.lane().idle().others_are_busy() || others_have_more_than(0, hub) {
        hub.core(|core| core.quiet_naps = 0);
        return true;
    }
    hub.core(|core| {
        core.quiet_naps = core.quiet_naps.saturating_add(1);
        core.quiet_naps < QUIET_NAPS
    })
}

/// Blocks for a little while, counted as searching all the time, so that spawners leave the hub alone: a lone greenlet is
/// most often run by the hub that spawned it, and to wake another for each would be for nothing. A push onto others wakes
/// the napper; for a lone one that is stuck it looks when it wakes by itself.
///
/// `false`: another hub naps already.
fn nap(hub: &Hub) -> bool {
    let idle = hub.lane().idle();
    let remote = hub.remote();
    if !idle.enter_nap(remote.index()) {
        return false;
    }
    if remote.inbox().enter_idle()
        && hub.lane().injector().is_empty()
        && !others_have_more_than(1, hub)
    {
        let naps = hub.core(|core| {
            core.naps = core.naps.saturating_add(1);
            core.naps
        });
        let length = NAP.0.saturating_mul(1 << (naps - 1).min(16)).min(NAP.1);
        block(hub, Some(Instant::now() + length));
    }
    remote.inbox().leave_idle();
    idle.leave_nap(remote.index());
    true
}

/// Looks everywhere, for as many rounds as the hub has patience.
fn search(hub: &Hub) -> Option<Ready> {
    if !hub.core(|core| core.searching) && hub.lane().idle().try_search() {
        hub.core(|core| core.searching = true);
    }
    let patience = hub.core(|core| match core.woken_by_event {
        // Its work comes from the kernel, which wakes it for less than it costs to ask again and again: one look is enough.
        true => 0,
        false => core.patience,
    });
    for round in 0.. {
        if let Some(ready) = look_around(hub) {
            hub.core(|core| {
                // What an event woke says nothing for searching.
                if !core.woken_by_event {
                    core.patience = (core.patience * 2).min(PATIENCE.1);
                }
            });
            stop_searching(hub);
            return Some(ready);
        }
        // A lone greenlet under observation is worth a few rounds more.
        if round >= patience && !(round < PATIENCE.1 / 2 && hub.core(|core| core.notes.ripens())) {
            break;
        }
        if round % ROUNDS_PER_POLL == ROUNDS_PER_POLL - 1 {
            serve_driver(hub);
        }
        for _ in 0..PAUSES {
            crate::primitive::spin_loop();
        }
    }
    hub.core(|core| core.patience = (core.patience / 2).max(PATIENCE.0));
    None
}

/// One round: the hub's own queues, the injector, and, for a searcher, the other hubs.
fn look_around(hub: &Hub) -> Option<Ready> {
    let ready = hub.take_ready().or_else(|| take_injected(hub));
    if ready.is_some() || !hub.core(|core| core.searching) {
        return ready;
    }
    let loot = steal(hub);
    if loot.is_some() {
        hub.core(|core| core.naps = 0);
    }
    loot
}

/// A searcher has found something, or gives up. If it was the last, others relied on it: it passes the search on.
fn stop_searching(hub: &Hub) {
    if !hub.core(|core| std::mem::take(&mut core.searching)) {
        return;
    }
    let lane = hub.lane();
    if lane.idle().stop_searching() && lane.has_work() && lane.notify_one(|| false) {
        hub.heartbeat().notifies.add(1);
    }
}

/// Waits in the poller for an event, a timer or a notify. The README beside this file cites these steps.
fn idle(hub: &Hub) {
    let lane = hub.lane();
    let remote = hub.remote();
    // 1. Say so.
    let searching = hub.core(|core| std::mem::take(&mut core.searching));
    let lingers = lane.remotes().len() > 1 && hub.core(|core| core.watch.lingers());
    let watches = lane.idle().enter(remote.index(), searching, lingers);
    // 2. Look once more at every source.
    if remote.inbox().enter_idle() && !has_work(hub) {
        // 3. Block; but not for ever while somebody may need help.
        block(hub, watches.then(|| Instant::now() + watch::INTERVAL));
    }
    // 4. Be back.
    remote.inbox().leave_idle();
    let woken = lane.idle().leave(remote.index());
    hub.core(|core| {
        core.was_idle = true;
        core.searching = woken == Woken::Notified;
        if core.searching {
            core.watch.was_picked();
        }
    });
}

/// Blocks in the poller until an event, a notify, a timer, or `until`.
fn block(hub: &Hub, until: Option<Instant>) {
    let remote = hub.remote();
    let heart = remote.heartbeat();
    heart.set_queued(0);
    heart.idles.add(1);
    heart.polls.add(1);
    let timer = remote.driver().timers().next();
    let retry = hub
        .core(|core| !core.stackless.is_empty())
        .then(|| Instant::now() + RETRY);
    let until = [until, timer, retry].into_iter().flatten().min();
    let woken = match with_events(hub, |events| remote.driver().block(events, until)) {
        Ok(woken) => woken,
        // Without its poller a hub can neither wait nor be woken: nothing sensible is left to do.
        Err(error) => panic!("hub {} could not wait for events: {error}", remote.index()),
    };
    hub.core(|core| {
        core.has_polled = true;
        core.woken_by_event = woken > 0;
        core.notes.slept();
    });
    hub.restart_pace(Instant::now());
}

/// There is something that this hub should not sleep on.
fn has_work(hub: &Hub) -> bool {
    let lane = hub.lane();
    !lane.injector().is_empty()
        // A hub that searches now will look again when it stops: what can be stolen is its affair.
        || (lane.idle().nobody_searches() && others_have_more_than(0, hub))
        || (hub.shared().closing().is_raised() && !hub.core(|core| core.closed))
        || shutdown::is_over(hub)
}

/// Another hub of the lane has more than `count` greenlets to steal.
fn others_have_more_than(count: usize, hub: &Hub) -> bool {
    let me = hub.remote().index();
    hub.lane()
        .remotes()
        .iter()
        .any(|remote| remote.index() != me && remote.stealer().len() > count)
}

/// Greenlets that found no stack have another try, or are given up.
fn retry_stackless(hub: &Hub) {
    match hub.core(|core| core.stackless.due()) {
        None => {}
        Some(Verdict::Retry(waiting)) => waiting.into_iter().for_each(|ready| hub.push_back(ready)),
        Some(Verdict::GiveUp(waiting, reason)) => give_up(hub, waiting, reason),
    }
}
