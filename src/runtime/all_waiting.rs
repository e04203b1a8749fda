//! Saying so when everything waits, and nothing of the runtime's own can end that: gevent's `LoopExit`, Go's "all goroutines
//! are asleep".
//!
//! The thread that waits in `run` has nothing else to do, so it looks, once a second, and only if the runtime has a
//! detector; no hub does anything for this. It looks at the hubs' slice counters first. If none has moved since the
//! last look, and all hubs are idle, no timer is armed, nothing is queued to be taken up, and no offloaded call is under
//! way, it takes a census. If that finds greenlets that are all parked, none of them for a socket, and still no
//! counter has moved, then so it was at one moment: between the two looks nothing ran, so nothing has changed. (What a hub was
//! about to wake, for a timer or an event, it has woken before it answers.)
//!
//! It is a report, once a runtime, and no panic: an OS thread, or a greenlet of another runtime, may still wake one.

use std::io::{self, Write};
use std::panic::Location;
use std::time::Duration;

use super::dump::Dump;
use crate::greenlet::{Phase, WaitKind};
use crate::primitive::sync::Arc;
use crate::scheduler::{Activity, Shared, Told, take_census};
use crate::wait::Outside;

/// Between two looks. For so long at least everything must have waited.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// What the waiting thread remembers.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    shared: &'a Arc<Shared>,
    /// The caller of `run`.
    caller: &'static Location<'static>,
    /// What the hubs' counters said at the last look.
    slices: Vec<u64>,
    /// A census with these counters has found somebody who may be woken.
    hopeful: bool,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something runs, or may yet.
    Life,
    /// It has been reported, now or before: no need to look again.
    Reported,
}

impl<'a> Watch<'a> {
    /// For the caller of `run`, if the runtime is to be watched.
    pub(super) fn begin(
        shared: &'a Arc<Shared>,
        caller: &'static Location<'static>,
    ) -> Option<Watch<'a>> {
        shared.observer()?;
        Some(Watch {
            shared,
            caller,
            slices: Vec::new(),
            hopeful: false,
        })
    }

    /// Looks whether everything waits, and reports it.
    pub(super) fn look(&mut self) -> Seen {
        let slices = self.slices();
        if slices != self.slices {
            self.slices = slices;
            self.hopeful = false;
            return Seen::Life;
        }
        if self.hopeful || self.something_may_come() {
            return Seen::Life;
        }
        if self.somebody_may_be_woken() {
            // Until a hub runs something, it stays so.
            self.hopeful = true;
            return Seen::Life;
        }
        if self.slices() != self.slices || self.something_may_come() {
            return Seen::Life;
        }
        if self.shared.first_report_of_stillness() {
            self.report();
        }
        Seen::Reported
    }

    fn slices(&self) -> Vec<u64> {
        let remotes = self.shared.lanes().flat_map(|lane| lane.remotes());
        remotes
            .map(|remote| remote.heartbeat().running.number())
            .collect()
    }

    /// A hub is in a slice, or will have something to run by itself.
    fn something_may_come(&self) -> bool {
        let remotes = || self.shared.lanes().flat_map(|lane| lane.remotes());
        Outside::in_progress() > 0
            || self.shared.closing().is_raised()
            || self.shared.lanes().any(|lane| lane.has_work())
            || remotes().any(|remote| {
                remote.heartbeat().running.number_of_slice().is_some()
                    || remote.driver().timers().next().is_some()
                    || remote.backlog().get() > 0
                    || remote.inbox().has_nodes()
            })
    }

    /// Asks the hubs. This wakes them, but runs nothing.
    fn somebody_may_be_woken(&self) -> bool {
        let census = take_census(self.shared);
        let is_lost = |wait| {
            let by_socket = [
                WaitKind::Read,
                WaitKind::Write,
                WaitKind::Accept,
                WaitKind::Connect,
            ];
            !by_socket.contains(&wait)
        };
        let all_lost = census.greenlets.iter().all(|one| {
            let wait = one.details.wait.map(|wait| wait.kind);
            one.details.phase == Phase::Parked && wait.is_some_and(is_lost)
        });
        let runs = |activity| matches!(activity, Activity::Running(_));
        census.greenlets.is_empty()
            || census.untold > 0
            || !all_lost
            // A hub that has not answered may be about to wake somebody.
            || census.hubs.iter().any(|hub| runs(hub.activity) || hub.told != Told::Itself)
    }

    fn report(&self) {
        let dump = Dump::of(self.shared);
        let text = format!(
            "greenhub: everything waits: no greenlet can run, and no timer, socket or offloaded call will wake one, while \
             the caller of `run` at {} waits. Only another thread, or another runtime, could still help.\n{dump}",
            self.caller,
        );
        // In one piece; and nothing can be done about a stderr that is closed.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
