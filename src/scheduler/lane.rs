//! A set of hubs that steal from one another.

use std::fmt;
use std::io;

use super::idle::Idle;
use super::owned::Owned;
use super::queue::{Injector, Queue};
use super::remote::Remote;
use super::reserve::Reserve;
use crate::driver::{Driver, LaneId};
use crate::fiber::StackPool;
use crate::greenlet::Ready;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::primitive::sync::{Arc, Mutex, OnceLock, Weak};

/// Which of a runtime's two lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    /// One hub a core, for everything that waits.
    Main,
    /// As many again, for what computes.
    Compute,
}

/// The part of a lane that all its hubs share.
pub(crate) struct Lane {
    kind: LaneKind,
    remotes: Box<[Remote]>,
    /// Greenlets from outside the lane's hubs.
    injector: Injector,
    idle: Idle,
    /// Migrating greenlets that have started and not ended.
    migrating: Mutex<Owned>,
    /// For those that are given up.
    reserve: Reserve,
    /// Greenlets spawned into the lane from outside its hubs.
    spawned_outside: AtomicU64,
    /// Greenlets of this lane that were cancelled outside its hubs.
    cancelled_outside: AtomicU64,
    /// What this lane lies in, for threads that must keep it alive.
    owner: OnceLock<Weak<dyn Send + Sync>>,
}

impl Lane {
    /// A lane of `hubs` hubs, and for each of them the queue that its thread will own. If it is `observed`, its hubs let others
    /// know how many greenlets wait for them.
    ///
    /// # Errors
    ///
    /// If the operating system gives no poller, or no stack.
    pub(crate) fn new(
        kind: LaneKind,
        hubs: usize,
        observed: bool,
        stacks: &Arc<StackPool>,
    ) -> io::Result<(Lane, Vec<Queue>)> {
        let mut queues = Vec::with_capacity(hubs);
        let mut remotes = Vec::with_capacity(hubs);
        let id = LaneId::new();
        for index in 0..hubs {
            let driver = Driver::new(id).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!(
                        "could not make the poller of hub {} of {hubs}: {error}",
                        index + 1
                    ),
                )
            })?;
            let (queue, stealer) = Queue::new();
            remotes.push(Remote::new(index, stealer, Arc::new(driver), observed));
            queues.push(queue);
        }
        let lane = Lane {
            kind,
            remotes: remotes.into_boxed_slice(),
            injector: Injector::new(),
            idle: Idle::new(hubs),
            migrating: Mutex::new(Owned::default()),
            reserve: Reserve::new(stacks)?,
            spawned_outside: AtomicU64::new(0),
            cancelled_outside: AtomicU64::new(0),
            owner: OnceLock::new(),
        };
        Ok((lane, queues))
    }

    /// Says what the lane lies in, once it lies there.
    pub(crate) fn set_owner(&self, owner: Weak<dyn Send + Sync>) {
        let _ = self.owner.set(owner);
    }

    /// Keeps the lane where it is for a thread that is none of its hubs.
    pub(crate) fn keep(&self) -> Option<Arc<dyn Send + Sync>> {
        self.owner.get().and_then(Weak::upgrade)
    }

    /// The stack for those that are given up.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// Which lane this is.
    pub(crate) fn kind(&self) -> LaneKind {
        self.kind
    }

    /// Its hubs.
    pub(crate) fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// What waits from outside.
    #[inline]
    pub(crate) fn injector(&self) -> &Injector {
        &self.injector
    }

    /// Which of its hubs are idle.
    #[inline]
    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// Its migrating greenlets.
    pub(crate) fn migrating(&self) -> &Mutex<Owned> {
        &self.migrating
    }

    /// Any thread: queues a greenlet that any hub may run. `true`: a hub was notified of it.
    pub(crate) fn inject(&self, ready: Ready) -> bool {
        self.injector.push(ready);
        self.notify_one(|| true)
    }

    /// After a push that any hub may take: wakes one if none is on the look-out, or, if there are `several` to take, a
    /// searcher from its nap. `true`: one was woken.
    #[inline]
    pub(crate) fn notify_one(&self, several: impl FnOnce() -> bool) -> bool {
        match self.idle.pick(several) {
            None => false,
            Some(index) => {
                self.remotes[index].driver().notify();
                true
            }
        }
    }

    /// A hub that was idle is about to run a greenlet: wakes another to look after it, if none would. `true`: it did.
    pub(crate) fn notify_watcher(&self) -> bool {
        match self.idle.pick_watcher() {
            None => false,
            Some(index) => {
                self.remotes[index].driver().notify();
                true
            }
        }
    }

    /// Wakes every hub, to look at something that concerns them all.
    pub(crate) fn notify_all(&self) {
        for remote in &*self.remotes {
            remote.driver().notify();
        }
    }

    /// Something waits that any hub may take.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.remotes.iter().any(|remote| remote.stealer().len() > 0)
    }

    /// One greenlet more was spawned from outside.
    pub(crate) fn count_spawned_outside(&self) {
        self.spawned_outside.fetch_add(1, Ordering::Relaxed);
    }

    /// One greenlet fewer, cancelled outside.
    pub(crate) fn count_cancelled_outside(&self) {
        self.cancelled_outside.fetch_add(1, Ordering::Relaxed);
    }

    /// How many greenlets of this lane have gone, started or not.
    pub(crate) fn gone(&self) -> u64 {
        let hearts = self.remotes.iter().map(Remote::heartbeat);
        hearts
            .map(|heart| heart.finished.get() + heart.cancelled.get())
            .sum::<u64>()
            + self.cancelled_outside.load(Ordering::Relaxed)
    }

    /// How many have been spawned into it.
    pub(crate) fn spawned(&self) -> u64 {
        let hearts = self.remotes.iter().map(Remote::heartbeat);
        hearts.map(|heart| heart.spawned.get()).sum::<u64>()
            + self.spawned_outside.load(Ordering::Relaxed)
    }

    /// How many have a stack now.
    pub(crate) fn started_and_not_finished(&self) -> u64 {
        let hearts = || self.remotes.iter().map(Remote::heartbeat);
        let finished: u64 = hearts().map(|heart| heart.finished.get()).sum();
        hearts()
            .map(|heart| heart.started.get())
            .sum::<u64>()
            .saturating_sub(finished)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("kind", &self.kind)
            .field("hubs", &self.remotes.len())
            .field("injector", &self.injector)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
