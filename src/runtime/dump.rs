//! What a runtime's greenlets and hubs are at.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::stacks::stacks_of;
use crate::detector::Frame;
use crate::greenlet::{GreenletId, Phase, WaitKind};
use crate::primitive::sync::Arc;
use crate::scheduler::{Activity, Census, HubState, LaneKind, Listed, Shared, Told, take_census};

/// Every greenlet of a runtime, and every hub, at about one moment: see [`Runtime::dump`](super::Runtime::dump).
///
/// Printed with `{}` it groups what is alike once there are more than a hundred greenlets; with `{:#}` it lists each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    pub(super) runtime: String,
    pub(super) greenlets: Vec<GreenletDump>,
    pub(super) hubs: Vec<HubDump>,
    pub(super) injected: usize,
    pub(super) unlisted: usize,
}

/// One greenlet in a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GreenletDump {
    pub(super) id: GreenletId,
    pub(super) name: Option<Box<str>>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) state: GreenletState,
    pub(super) kind: GreenletKind,
    pub(super) lane: Lane,
    pub(super) hub: Option<usize>,
    pub(super) waits: Option<Waits>,
    pub(super) starts_in: Option<Duration>,
    pub(super) stack: Vec<Frame>,
}

/// A wait that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) kind: WaitKind,
    pub(super) place: &'static Location<'static>,
    pub(super) since: Duration,
}

/// Where a greenlet is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GreenletState {
    /// It runs on its hub.
    Running,
    /// It has started, and waits for its hub to run it on.
    Ready,
    /// It waits for something.
    Parked,
    /// It has not started.
    Fresh,
    /// It ended while the dump was taken.
    Ended,
}

/// Where a greenlet may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GreenletKind {
    /// On the hub that starts it, from [`spawn`](crate::spawn).
    Settled,
    /// On any hub of its lane, from [`spawn_migrating`](crate::spawn_migrating).
    Migrating,
    /// On the hub that spawned it, from [`spawn_local`](crate::spawn_local).
    Local,
}

/// One of a runtime's two sets of hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// For everything that waits.
    Main,
    /// For what computes: see [`spawn_compute`](crate::spawn_compute).
    Compute,
}

/// One hub in a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubDump {
    pub(super) lane: Lane,
    pub(super) index: usize,
    pub(super) state: HubActivity,
    pub(super) source: Told,
    pub(super) ready: usize,
    pub(super) stealable: usize,
    pub(super) stackless: usize,
    pub(super) timers: usize,
    pub(super) sockets: usize,
}

/// What a hub is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubActivity {
    /// It waits in its poller.
    Idle,
    /// It runs a greenlet: this one, if it could be told.
    Running(Option<GreenletId>),
    /// It looks for work.
    Searching,
    /// It has ended, as its runtime is being shut down.
    Ended,
}

impl Dump {
    #[track_caller]
    pub(super) fn of(shared: &Arc<Shared>) -> Dump {
        let census = take_census(shared);
        let now = Instant::now();
        let stacks = stacks_of(shared, &census.greenlets);
        let greenlets = census.greenlets.iter().zip(stacks);
        Dump {
            runtime: shared.config().thread_name.clone(),
            greenlets: greenlets
                .map(|(listed, stack)| GreenletDump::of(listed, stack, &census, now))
                .collect(),
            hubs: census.hubs.iter().map(HubDump::of).collect(),
            injected: census.injected,
            unlisted: census.untold,
        }
    }

    /// The greenlets, in the order of their numbers.
    #[must_use]
    pub fn greenlets(&self) -> &[GreenletDump] {
        &self.greenlets
    }

    /// The hubs of the main lane, and then those of the compute lane, if it was used.
    #[must_use]
    pub fn hubs(&self) -> &[HubDump] {
        &self.hubs
    }

    /// How many greenlets from outside the hubs wait to be taken up by one. They are listed, too.
    #[must_use]
    pub fn injected(&self) -> usize {
        self.injected
    }

    /// How many greenlets are not listed, because they have not started and their queues hold too many.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }
}

impl GreenletDump {
    fn of(listed: &Listed, stack: Vec<Frame>, census: &Census, now: Instant) -> GreenletDump {
        let details = &listed.details;
        let state = match details.phase {
            Phase::Fresh => GreenletState::Fresh,
            Phase::Active if listed.running => GreenletState::Running,
            Phase::Active => GreenletState::Ready,
            Phase::Parked => GreenletState::Parked,
            Phase::Done => GreenletState::Ended,
        };
        GreenletDump {
            id: details.id,
            name: details.name.clone(),
            spawned_at: details.spawned_at,
            state,
            kind: match details {
                details if details.pinned => GreenletKind::Local,
                details if details.migrating => GreenletKind::Migrating,
                _ => GreenletKind::Settled,
            },
            lane: Lane::of(listed.lane),
            hub: listed.hub,
            waits: details.wait.map(|wait| Waits {
                kind: wait.kind,
                place: wait.place,
                since: wait.since.until(census.taken),
            }),
            starts_in: listed.starts_at.map(|at| at.saturating_duration_since(now)),
            stack,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> GreenletId {
        self.id
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The place in the source that spawned it.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> GreenletState {
        self.state
    }

    /// Where it may run.
    #[must_use]
    pub fn kind(&self) -> GreenletKind {
        self.kind
    }

    /// Which set of hubs it belongs to.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The hub that it is settled on, runs on, or is queued at. `None` for a migrating one that is none of these, and for
    /// one that no hub has taken up yet.
    #[must_use]
    pub fn hub(&self) -> Option<usize> {
        self.hub
    }

    /// What it waits for, if it does. (A greenlet that waits while it unwinds blocks its hub: it is running, and waits.)
    #[must_use]
    pub fn waits_for(&self) -> Option<WaitKind> {
        self.waits.map(|waits| waits.kind)
    }

    /// The place in the source of the call in which it waits.
    #[must_use]
    pub fn waits_at(&self) -> Option<&'static Location<'static>> {
        self.waits.map(|waits| waits.place)
    }

    /// For how long it has waited. As exact as the hub's own clock, which stands still during a slice: a wait at the end of a
    /// long slice seems to be longer by as much.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        self.waits.map(|waits| waits.since)
    }

    /// In how much time it is to start, if it was spawned to start later.
    #[must_use]
    pub fn starts_in(&self) -> Option<Duration> {
        self.starts_in
    }

    /// The stack of a greenlet that has started and does not run, the innermost function first. Empty where it could not be
    /// read: on platforms other than Linux on x86_64 and aarch64, and, in a dump of more than a few hundred greenlets, those of most that wait
    /// in the same place as others.
    #[must_use]
    pub fn stack(&self) -> &[Frame] {
        &self.stack
    }
}

impl Lane {
    fn of(kind: LaneKind) -> Lane {
        match kind {
            LaneKind::Main => Lane::Main,
            LaneKind::Compute => Lane::Compute,
        }
    }
}

impl HubDump {
    fn of(state: &HubState) -> HubDump {
        HubDump {
            lane: Lane::of(state.lane),
            index: state.index,
            state: match (state.told, state.activity) {
                (Told::Ended, _) => HubActivity::Ended,
                (_, Activity::Idle) => HubActivity::Idle,
                (_, Activity::Running(id)) => HubActivity::Running(id),
                (_, Activity::Searching) => HubActivity::Searching,
            },
            source: state.told,
            ready: state.ready,
            stealable: state.stealable,
            stackless: state.stackless,
            timers: state.timers,
            sockets: state.sockets,
        }
    }

    /// Which of the two sets of hubs it belongs to.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Its number within its lane.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it was doing.
    #[must_use]
    pub fn state(&self) -> HubActivity {
        self.state
    }

    /// It was in the same slice all the while that the dump waited for it.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        matches!(self.source, Told::Outside | Told::Nothing)
    }

    /// Its settled greenlets are listed. If not, it is stuck, and the system lets nobody look at it from outside.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.source != Told::Nothing
    }

    /// How many settled greenlets are ready here: of a hub that is stuck, as of its last look.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// How many greenlets wait here that other hubs may steal.
    #[must_use]
    pub fn stealable(&self) -> usize {
        self.stealable
    }

    /// How many greenlets wait here for a stack, as the system refused to map one.
    #[must_use]
    pub fn stackless(&self) -> usize {
        self.stackless
    }

    /// How many timers are armed here.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers
    }

    /// How many sockets are registered here.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets
    }
}
