//! What a runtime's hubs have done.

use crate::detector::{self, BlockingSite, Watchdog};
use crate::primitive::sync::Arc;
use crate::scheduler::{Lane, LaneKind, Shared};

/// A runtime's figures at one moment. The hubs go on while they are read, so sums may be off by a few.
///
/// ```
/// use greenhub::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder().hubs(2).build()?;
/// runtime.run(|| greenhub::spawn(|| ()).join().unwrap());
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.hubs().len(), 2);
/// assert_eq!(metrics.spawned(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    hubs: Vec<HubMetrics>,
    compute_hubs: Vec<HubMetrics>,
    injected: usize,
    spawned: u64,
    finished: u64,
    stacks_in_use: usize,
    stacks_pooled: usize,
    blocking_sites: Vec<BlockingSite>,
}

/// One hub's figures. All but the last two count since the runtime's start.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HubMetrics {
    /// Stretches for which it ran one greenlet.
    pub slices: u64,
    /// Greenlets that greenlets on this hub spawned.
    pub spawned: u64,
    /// Greenlets that had their first slice here.
    pub started: u64,
    /// Greenlets that ended here.
    pub finished: u64,
    /// Greenlets that other hubs stole from here.
    pub stolen_from: u64,
    /// Greenlets that this hub stole from others.
    pub stolen_by: u64,
    /// Thefts in which it did so: each takes up to half of what is there.
    pub thefts: u64,
    /// Waits begun by greenlets here.
    pub parks: u64,
    /// Times that this hub woke another for work that anyone could take.
    pub notifies: u64,
    /// Times that it asked the operating system for events.
    pub polls: u64,
    /// Times that it went idle.
    pub idles: u64,
    /// Greenlets that are ready here and can be stolen.
    pub stealable: usize,
    /// Greenlets that are ready here, as of the hub's last look (every 61 slices).
    pub queued: usize,
}

impl Metrics {
    pub(super) fn of(shared: &Arc<Shared>) -> Metrics {
        // Ends are read before beginnings, so that no greenlet seems to have ended before it began.
        let finished = shared.lanes().map(Lane::gone).sum();
        let spawned = shared.lanes().map(Lane::spawned).sum();
        let in_use: u64 = shared.lanes().map(Lane::started_and_not_finished).sum();
        let stacks_in_use = usize::try_from(in_use).unwrap_or(usize::MAX);
        Metrics {
            hubs: shared
                .lane(LaneKind::Main)
                .map(hub_metrics)
                .unwrap_or_default(),
            compute_hubs: shared
                .lane(LaneKind::Compute)
                .map(hub_metrics)
                .unwrap_or_default(),
            injected: shared.lanes().map(|lane| lane.injector().len()).sum(),
            spawned,
            finished,
            stacks_in_use,
            stacks_pooled: shared.stacks().mapped().saturating_sub(stacks_in_use),
            blocking_sites: detector::of(shared)
                .map(Watchdog::sites)
                .unwrap_or_default(),
        }
    }

    /// The main lane's hubs.
    #[must_use]
    pub fn hubs(&self) -> &[HubMetrics] {
        &self.hubs
    }

    /// The compute lane's hubs; none before the first [`spawn_compute`](crate::spawn_compute).
    #[must_use]
    pub fn compute_hubs(&self) -> &[HubMetrics] {
        &self.compute_hubs
    }

    /// Greenlets spawned since the runtime's start.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.spawned
    }

    /// Greenlets that have ended since the runtime's start.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Greenlets that have been spawned and have not ended.
    #[must_use]
    pub fn alive(&self) -> usize {
        usize::try_from(self.spawned.saturating_sub(self.finished)).unwrap_or(usize::MAX)
    }

    /// Greenlets from outside the hubs that no hub has taken up yet.
    #[must_use]
    pub fn injected(&self) -> usize {
        self.injected
    }

    /// The spawn sites of greenlets that have kept a hub for too long, those with the most time first; none unless the
    /// runtime has a [detector](crate::detector).
    #[must_use]
    pub fn blocking_sites(&self) -> &[BlockingSite] {
        &self.blocking_sites
    }

    /// Stacks that greenlets are using.
    #[must_use]
    pub fn stacks_in_use(&self) -> usize {
        self.stacks_in_use
    }

    /// Stacks that are kept for the next greenlets.
    #[must_use]
    pub fn stacks_pooled(&self) -> usize {
        self.stacks_pooled
    }
}

fn hub_metrics(lane: &Lane) -> Vec<HubMetrics> {
    lane.remotes()
        .iter()
        .map(|remote| {
            let heart = remote.heartbeat();
            HubMetrics {
                slices: heart.running.slices(),
                spawned: heart.spawned.get(),
                started: heart.started.get(),
                finished: heart.finished.get(),
                stolen_from: heart.robbed(),
                stolen_by: heart.stolen.get(),
                thefts: heart.thefts.get(),
                parks: heart.parks.get(),
                notifies: heart.notifies.get(),
                polls: heart.polls.get(),
                idles: heart.idles.get(),
                stealable: remote.stealer().len(),
                queued: usize::try_from(heart.queued.get()).unwrap_or(usize::MAX),
            }
        })
        .collect()
}
