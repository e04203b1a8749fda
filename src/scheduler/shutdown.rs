//! How a runtime ends, step by step.
//!
//! 1. `Shared::close` raises the flag and notifies every hub. From then on a spawn ends its greenlet at once, killed.
//! 2. Each hub notices the flag between two slices, and kills every greenlet that it owns: those that wait are woken,
//!    unwind, and run their destructors. Fresh greenlets begin as they come up, but only to drop their closures. It must be
//!    the hub that does this, because a settled greenlet's stack may be unwound on its own thread only.
//! 3. A destructor may wake greenlets of other hubs, and may still try to spawn. So a hub goes on as usual until it owns
//!    nothing, its lane's migrating greenlets have ended, and its queues are empty.
//! 4. Then it looks once more at the queues that it shares, and goes on if there is something: not even then does it drop a
//!    closure itself, whose destructor might wait. A spawner that pushed after a hub's last look clears the injector itself
//!    (`Closing::is_raised_after_push`).
//! 5. Its thread ends. The last to do so wakes whoever waits for the runtime's end.

use super::hub::Hub;
use super::lane::Lane;
use super::remote::Remote;
use super::shared::Shared;
use super::telling;
use crate::driver::{Driver, Fire};
use crate::greenlet::{Failure, Header, Phase, Ready};

/// Step 2: kills what this hub owns, the first time that it sees the flag.
#[inline]
pub(crate) fn notice(hub: &Hub) {
    if hub.shared().closing().is_raised() && !hub.core(|core| core.closed) {
        kill_owned(hub);
    }
}

#[cold]
fn kill_owned(hub: &Hub) {
    hub.core(|core| core.closed = true);
    let settled = hub.core(|core| core.owned.handles());
    let migrating = hub.lane().migrating().lock().handles();
    for greenlet in settled.iter().chain(&migrating) {
        greenlet.kill();
    }
    // Raised, as we know; this fences the look at the timers that follows.
    let _raised = hub.shared().closing().is_raised_before_last_look();
    for fire in hub.remote().driver().timers().drain() {
        match fire {
            Fire::Unpark(unparker) => unparker.unpark(),
            Fire::Start(ready) => hub.push_back(ready),
        }
    }
}

/// Step 3: nothing is left for this hub to do, and nothing will come.
pub(crate) fn is_over(hub: &Hub) -> bool {
    hub.shared().closing().is_raised()
        && hub.core(|core| core.closed && core.owned.is_empty() && core.stackless.is_empty())
        && hub.has_nothing_ready()
        && hub.lane().injector().is_empty()
        && hub.lane().migrating().lock().is_empty()
}

/// Step 4, the hub's part: its last look at the queues.
pub(crate) fn is_over_for_good(hub: &Hub) -> bool {
    hub.shared().closing().is_raised_before_last_look() && is_over(hub)
}

/// Step 5.
pub(crate) fn end(hub: &Hub) {
    telling::answer_last(hub);
    // Sockets may be registered here on which greenlets of other runtimes wait.
    hub.remote().driver().close();
}

/// Step 4, a spawner's part, after a push that no hub may have seen.
#[cold]
pub(crate) fn clear_injector(shared: &Shared, lane: &Lane) {
    let mut started = Vec::new();
    while let Some(ready) = lane.injector().take() {
        match ready.header().state().phase() {
            Phase::Fresh | Phase::Done => cancel_outside(shared, lane, ready),
            // A migrating greenlet that was woken from outside: the hubs are there until it has ended.
            Phase::Active | Phase::Parked => started.push(ready),
        }
    }
    for ready in started {
        lane.inject(ready);
    }
}

/// The same for a greenlet that was to begin on one hub, which may have ended.
#[cold]
pub(crate) fn clear_inbox(shared: &Shared, lane: &Lane, remote: &Remote) {
    let mut started = Vec::new();
    for header in remote.inbox().take() {
        // SAFETY: it was a `Ready` when it was delivered.
        let ready = unsafe { Ready::from_raw(header) };
        match ready.header().state().phase() {
            Phase::Fresh | Phase::Done => cancel_outside(shared, lane, ready),
            // Settled there: the hub is there until it has ended.
            Phase::Active | Phase::Parked => started.push(ready),
        }
    }
    for ready in started {
        let _notified_below = remote.deliver(ready);
    }
    // Always: the taking has unmarked the inbox of a hub that may be idle, and whoever has delivered since then relied on
    // its being awake.
    remote.driver().notify();
}

/// The same for a greenlet that was to be started later.
#[cold]
pub(crate) fn clear_timers(shared: &Shared, lane: &Lane, driver: &Driver) {
    for fire in driver.timers().drain() {
        match fire {
            Fire::Unpark(unparker) => unparker.unpark(),
            Fire::Start(ready) => cancel_outside(shared, lane, ready),
        }
    }
}

/// Ends a fresh greenlet on a thread that is none of its lane's hubs.
#[cold]
pub(crate) fn cancel_outside(shared: &Shared, lane: &Lane, ready: Ready) {
    if ready.header().state().cancel() {
        // SAFETY: the move from FRESH to DONE was ours; what is not pinned to a hub may be dropped anywhere.
        unsafe { Header::cancel(ready.as_ptr(), Failure::Killed) };
    }
    debug_assert_eq!(
        ready.header().state().phase(),
        Phase::Done,
        "a started greenlet was let go of"
    );
    ready.header().delay().clear();
    lane.count_cancelled_outside();
    shared.dismiss();
    ready.release();
}
