//! Which hubs of a lane are idle, and how many search: whom to notify of work that anyone may take.
//!
//! The protocol is tokio's (`runtime/scheduler/multi_thread/idle.rs`), itself after Go's: work is announced to one idle
//! hub, and only when no hub searches already, because a hub that searches will find it.
//!
//! # No wake-up is lost
//!
//! A pusher (1) pushes, (2) fences, (3) reads `counts`. A hub that stops searching or goes idle (a) lowers `counts`,
//! (b) fences, (c) looks at every queue once more. Both fences are `SeqCst`, so one comes first: if the pusher's, then (c)
//! sees the push; if the hub's, then (3) sees the lowered counts, and the pusher notifies. The README beside this file
//! has the whole argument.

use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use crate::primitive::sync::Mutex;

/// `counts` holds the number of searching hubs in its low half.
const SEARCHING: usize = 1;
/// And the number of awake ones (searching or busy) in its high half.
const AWAKE: usize = 1 << (usize::BITS / 2);

/// The idle hubs of one lane.
#[derive(Debug)]
pub(crate) struct Idle {
    counts: AtomicUsize,
    hubs: usize,
    /// The idle hubs, the one that went idle last at the end. `counts.awake` changes only under this lock.
    sleepers: Mutex<Vec<Sleeper>>,
    /// A searcher that naps, plus one; zero when none does.
    napper: AtomicUsize,
}

/// An idle hub.
#[derive(Clone, Copy, Debug)]
struct Sleeper {
    hub: usize,
    /// It sleeps for a limited time, and then looks whether another hub is stuck.
    watches: bool,
}

/// How a hub that was idle comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a notified hub counts as searching and must stop doing so in time"]
pub(crate) enum Woken {
    /// Somebody picked it: it is counted as searching.
    Notified,
    /// It woke by itself: an event, a timer, its inbox.
    ByItself,
}

impl Idle {
    /// All `hubs` are awake, none searches.
    pub(crate) fn new(hubs: usize) -> Idle {
        Idle {
            counts: AtomicUsize::new(hubs * AWAKE),
            hubs,
            sleepers: Mutex::new(Vec::with_capacity(hubs)),
            napper: AtomicUsize::new(0),
        }
    }

    /// Any thread, after a push that any hub may take: the hub to notify. An idle one is counted from now on as awake and
    /// searching. A searcher that naps is picked only if there are `several` greenlets to take.
    #[inline]
    pub(crate) fn pick(&self, several: impl FnOnce() -> bool) -> Option<usize> {
        // (2) of the proof above. Pairs with the fences in `enter`, `stop_searching` and `enter_nap`.
        fence(Ordering::SeqCst);
        if self.wants_notify(self.counts.load(Ordering::Relaxed)) {
            self.pick_slow()
        } else if self.napper.load(Ordering::Relaxed) != 0 && several() {
            self.napper.swap(0, Ordering::Relaxed).checked_sub(1)
        } else {
            None
        }
    }

    #[cold]
    fn pick_slow(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        // Somebody may have been faster.
        if !self.wants_notify(self.counts.load(Ordering::Relaxed)) {
            return None;
        }
        self.wake_last(&mut sleepers)
    }

    fn wake_last(&self, sleepers: &mut Vec<Sleeper>) -> Option<usize> {
        let sleeper = sleepers.pop()?;
        self.counts.fetch_add(AWAKE + SEARCHING, Ordering::Relaxed);
        Some(sleeper.hub)
    }

    /// A hub that was idle is about to run a greenlet, and may get stuck in it: the hub to notify, if some sleep and none of
    /// them watches. It will find nothing to do, and go idle as one that does.
    pub(crate) fn pick_watcher(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        if sleepers.iter().any(|sleeper| sleeper.watches) {
            return None;
        }
        self.wake_last(&mut sleepers)
    }

    fn wants_notify(&self, counts: usize) -> bool {
        counts % AWAKE == 0 && counts / AWAKE < self.hubs
    }

    /// A hub out of work: may it search? At most half of the hubs do at once.
    pub(crate) fn try_search(&self) -> bool {
        // Relaxed: the limit is a matter of economy.
        if 2 * (self.counts.load(Ordering::Relaxed) % AWAKE) >= self.hubs {
            return false;
        }
        self.counts.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// A searching hub has found work. `true`: it was the last; it must look at the queues once more, and pick another
    /// hub if there is more, because pushers relied on it.
    #[must_use = "the last searcher must look for work that pushers left to it"]
    pub(crate) fn stop_searching(&self) -> bool {
        // Release: a searcher that has taken a batch has the rest of it in its own queue by now. If it is not the last one,
        // it will not look again, so the last one, whose fence acquires what it reads here, must see that rest.
        let before = self.counts.fetch_sub(SEARCHING, Ordering::Release);
        // (b) of the proof.
        fence(Ordering::SeqCst);
        before % AWAKE == 1
    }

    /// A hub goes idle. It must then look at every queue once more, and [`Idle::leave`] if it finds anything. `true`: it
    /// watches, and may sleep for a limited time only, because another hub is awake, or because it wishes to.
    #[must_use = "a hub that watches must wake by itself"]
    pub(crate) fn enter(&self, hub: usize, searching: bool, wishes_to_watch: bool) -> bool {
        let mut sleepers = self.sleepers.lock();
        let watches = wishes_to_watch || sleepers.len() + 1 < self.hubs;
        sleepers.push(Sleeper { hub, watches });
        let lowered = AWAKE + if searching { SEARCHING } else { 0 };
        self.counts.fetch_sub(lowered, Ordering::Relaxed);
        drop(sleepers);
        // (b) of the proof.
        fence(Ordering::SeqCst);
        watches
    }

    /// A hub is back.
    pub(crate) fn leave(&self, hub: usize) -> Woken {
        let mut sleepers = self.sleepers.lock();
        match sleepers.iter().position(|sleeper| sleeper.hub == hub) {
            None => Woken::Notified,
            Some(place) => {
                sleepers.remove(place);
                self.counts.fetch_add(AWAKE, Ordering::Relaxed);
                Woken::ByItself
            }
        }
    }

    /// A searcher is about to nap: counted as searching still, but blocked. It must then look once more for what is worth
    /// waking up for. `false`: another naps already, and one is enough.
    #[must_use = "a hub that may not nap must idle"]
    pub(crate) fn enter_nap(&self, hub: usize) -> bool {
        let entered = self
            .napper
            .compare_exchange(0, hub + 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        // As (b) of the proof, with `napper` for `counts`.
        fence(Ordering::SeqCst);
        entered
    }

    /// It is back.
    pub(crate) fn leave_nap(&self, hub: usize) {
        // Whoever notified it has emptied the place, and another may nap there now.
        let _ = self
            .napper
            .compare_exchange(hub + 1, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whoever watches the hubs, after a `SeqCst` fence: all of them sleep.
    pub(crate) fn all_sleep(&self) -> bool {
        self.counts.load(Ordering::Relaxed) / AWAKE == 0
    }

    /// Some hub is awake and does not search. The asking one is idle, or searches.
    pub(crate) fn others_are_busy(&self) -> bool {
        let counts = self.counts.load(Ordering::Relaxed);
        counts / AWAKE > counts % AWAKE
    }

    /// A hub that has gone idle, looking once more: no hub searches. One that does will look for itself when it stops.
    pub(crate) fn nobody_searches(&self) -> bool {
        self.counts.load(Ordering::Relaxed) % AWAKE == 0
    }
}
