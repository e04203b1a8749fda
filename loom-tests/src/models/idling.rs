//! Going idle and being notified (`scheduler/idle.rs`): work is never left lying while a hub sleeps.
//!
//! In these models an item of work holds its hub for ever. So everything is done only if every item finds a hub of its
//! own, and wherever a hub sleeps on for good beside an item that nobody takes, loom reports a deadlock.
//!
//! Caught: the fence left out after a push, before the last look, before the last searcher's look, before a nap; a
//! relaxed end of a search (a fault that was in the library); the last searcher not knowing it, or not looking; two pushers
//! that notify at once; a picked hub not counted as searching; an idle one still counted; one that comes back not counted;
//! a napper that is not woken; no second look before blocking, or before a nap.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{explore, explore_within};
use crate::bell::Bell;
use crate::scheduler::idle::{Idle, Woken};

/// A queue that anyone may take from. As with crossbeam's, a look from outside may see it as it was a while ago.
struct Queue(AtomicUsize);

impl Queue {
    fn new() -> Queue {
        Queue(AtomicUsize::new(0))
    }

    fn push(&self, items: usize) {
        self.0.fetch_add(items, Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self) -> bool {
        !self.is_empty()
            && self
                .0
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |items| {
                    items.checked_sub(1)
                })
                .is_ok()
    }
}

/// `scheduler/lane.rs`, and what `scheduler/worker.rs` does with it.
struct Lane {
    idle: Idle,
    injector: Queue,
    /// What can be stolen from each hub.
    stealable: Vec<Queue>,
    bells: Vec<Bell>,
}

impl Lane {
    fn new(hubs: usize) -> Arc<Lane> {
        Arc::new(Lane {
            idle: Idle::new(hubs),
            injector: Queue::new(),
            stealable: (0..hubs).map(|_| Queue::new()).collect(),
            bells: (0..hubs).map(|_| Bell::new()).collect(),
        })
    }

    /// Whether somebody searches, and whether somebody is awake and does not.
    fn counts(&self) -> (bool, bool) {
        (!self.idle.nobody_searches(), self.idle.others_are_busy())
    }

    fn notify_one(&self, several: bool) {
        if let Some(hub) = self.idle.pick(|| several) {
            self.bells[hub].ring();
        }
    }

    fn inject(&self) {
        self.injector.push(1);
        self.notify_one(true);
    }

    fn push_stealable(&self, hub: usize) {
        self.stealable[hub].push(1);
        self.notify_one(false);
    }

    /// `worker::has_work`.
    fn has_work_for(&self, me: usize) -> bool {
        let others = || {
            self.stealable
                .iter()
                .enumerate()
                .filter(|(hub, _)| *hub != me)
        };
        !self.injector.is_empty()
            || (self.idle.nobody_searches() && others().any(|(_, queue)| !queue.is_empty()))
    }

    /// `Lane::has_work`.
    fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.stealable.iter().any(|queue| !queue.is_empty())
    }

    fn stop_searching(&self, searching: &mut bool) {
        if std::mem::take(searching) && self.idle.stop_searching() && self.has_work() {
            self.notify_one(false);
        }
    }

    /// A hub's loop until it has found an item.
    fn find(&self, me: usize, mut searching: bool) {
        loop {
            searching = searching || self.idle.try_search();
            let found = self.stealable[me].take()
                || self.injector.take()
                || (searching && self.stealable.iter().any(Queue::take));
            if found {
                self.stop_searching(&mut searching);
                return;
            }
            searching = self.sleep(me, searching);
        }
    }

    /// `worker::idle`.
    fn sleep(&self, me: usize, searching: bool) -> bool {
        // 1. Say so.
        let _watches = self.idle.enter(me, searching, false);
        // 2. Look once more.
        if !self.has_work_for(me) {
            // 3. Block.
            self.bells[me].wait();
        }
        // 4. Be back.
        self.idle.leave(me) == Woken::Notified
    }

    /// `worker::nap`, by a searcher; without the time limit, so that a notify that is missed is missed for good.
    fn nap(&self, me: usize) {
        assert!(self.idle.enter_nap(me), "nobody else naps in the models");
        if self.injector.is_empty() {
            self.bells[me].wait();
        }
        self.idle.leave_nap(me);
    }

    /// What a hub does that sleeps since before the model begins.
    fn go_on_after_sleep(&self, me: usize) {
        self.bells[me].wait();
        let searching = self.idle.leave(me) == Woken::Notified;
        self.find(me, searching);
    }
}

#[test]
fn a_push_that_races_with_the_only_hub_going_idle_is_taken() {
    explore(|| {
        let lane = Lane::new(1);
        let hub = Arc::clone(&lane);
        let hub = thread::spawn(move || hub.find(0, false));
        lane.inject();
        hub.join().unwrap();
    });
}

/// Two preemptions.
#[test]
fn two_pushes_that_race_with_two_hubs_going_idle_find_a_hub_each() {
    explore_within(2, || {
        let lane = Lane::new(2);
        let hubs = [0, 1].map(|me| {
            let lane = Arc::clone(&lane);
            thread::spawn(move || lane.find(me, false))
        });
        lane.inject();
        lane.inject();
        hubs.into_iter().for_each(|hub| hub.join().unwrap());
    });
}

/// The second pusher relies on the hub that searches, and that hub is held by the first item. Three preemptions.
#[test]
fn the_last_searcher_passes_the_search_on() {
    explore_within(3, || {
        let lane = Lane::new(2);
        let _watches = lane.idle.enter(1, false, false);
        assert!(lane.idle.try_search());
        lane.injector.push(1);
        let hubs = [
            {
                let lane = Arc::clone(&lane);
                thread::spawn(move || lane.find(0, true))
            },
            {
                let lane = Arc::clone(&lane);
                thread::spawn(move || lane.go_on_after_sleep(1))
            },
        ];
        lane.inject();
        hubs.into_iter().for_each(|hub| hub.join().unwrap());
    });
}

/// A hub that spawns and then computes relies on the others. Three preemptions.
#[test]
fn what_a_busy_hub_has_pushed_is_stolen() {
    explore_within(3, || {
        let lane = Lane::new(2);
        let thief = Arc::clone(&lane);
        let thief = thread::spawn(move || thief.find(1, false));
        lane.push_stealable(0);
        // Its slice does not end.
        thief.join().unwrap();
    });
}

/// One of two searchers takes a batch, runs the first of it and leaves the rest in its own queue. Whichever stops last
/// must see the rest.
#[test]
fn the_rest_of_a_batch_is_seen_by_the_last_searcher() {
    explore(|| {
        let lane = Lane::new(4);
        assert!(lane.idle.try_search());
        assert!(lane.idle.try_search());
        let _watches = lane.idle.enter(2, false, false);
        let other = Arc::clone(&lane);
        let other = thread::spawn(move || other.stop_searching(&mut true));
        // As crossbeam's deque publishes its end.
        lane.stealable[0].0.store(1, Ordering::Release);
        lane.stop_searching(&mut true);
        other.join().unwrap();
        assert_eq!(
            lane.idle.leave(2),
            Woken::Notified,
            "the rest lies there, and a hub sleeps"
        );
    });
}

#[test]
fn of_two_pushers_one_picks_the_sleeper() {
    explore(|| {
        let lane = Lane::new(2);
        let _watches = lane.idle.enter(0, false, false);
        let _watches = lane.idle.enter(1, false, false);
        let other = Arc::clone(&lane);
        let other = thread::spawn(move || other.idle.pick(|| false));
        let mine = lane.idle.pick(|| false);
        let others = other.join().unwrap();
        assert!(
            mine.is_some() != others.is_some(),
            "one searches, and the other pusher relies on it"
        );
        assert_eq!(lane.counts(), (true, false));
        let hub = mine.or(others).unwrap();
        assert_eq!(lane.idle.leave(hub), Woken::Notified);
        assert!(lane.idle.stop_searching());
        assert_eq!(lane.idle.pick(|| false), Some(1 - hub));
        assert_eq!(lane.counts(), (true, true));
    });
}

#[test]
fn a_hub_that_comes_back_by_itself_is_picked_or_not_and_knows_which() {
    explore(|| {
        let lane = Lane::new(2);
        let _watches = lane.idle.enter(0, false, false);
        let pusher = Arc::clone(&lane);
        let pusher = thread::spawn(move || pusher.idle.pick(|| false));
        let woken = lane.idle.leave(0);
        let picked = pusher.join().unwrap();
        assert_eq!(woken == Woken::Notified, picked.is_some());
        assert_eq!(lane.counts(), (picked.is_some(), true));
    });
}

/// A searcher that naps is not woken by `pick`, which takes it for awake.
#[test]
fn an_injected_item_wakes_a_napper() {
    explore(|| {
        let lane = Lane::new(2);
        assert!(lane.idle.try_search());
        let napper = Arc::clone(&lane);
        let napper = thread::spawn(move || {
            while !napper.injector.take() {
                napper.nap(0);
            }
            napper.stop_searching(&mut true);
        });
        lane.inject();
        napper.join().unwrap();
        assert_eq!(lane.idle.pick(|| true), None);
        assert_eq!(lane.counts(), (false, true));
    });
}

/// The hub that goes idle leaves what can be stolen to the searcher; the searcher, going idle itself, must then look.
#[test]
fn of_two_hubs_that_go_idle_the_last_searcher_sees_what_can_be_stolen() {
    explore_within(3, || {
        let lane = Lane::new(3);
        assert!(lane.idle.try_search());
        assert!(lane.idle.try_search());
        let hubs = [0, 1].map(|me| {
            let lane = Arc::clone(&lane);
            thread::spawn(move || {
                let _watches = lane.idle.enter(me, true, false);
                lane.has_work_for(me)
            })
        });
        lane.push_stealable(2);
        let saw = hubs.map(|hub| hub.join().unwrap());
        let notified = [0, 1].map(|me| lane.idle.leave(me) == Woken::Notified);
        assert!(
            saw.contains(&true) || notified.contains(&true),
            "both sleep beside it"
        );
    });
}

/// One hub goes idle while another, woken out of an idle lane, begins to run something and may get stuck in it.
#[test]
fn a_hub_that_runs_is_watched_by_one_that_sleeps() {
    explore(|| {
        let lane = Lane::new(2);
        let _watches = lane.idle.enter(0, false, false);
        let runner = Arc::clone(&lane);
        let runner = thread::spawn(move || {
            let _woken = runner.idle.leave(0);
            runner.idle.pick_watcher()
        });
        let watches = lane.idle.enter(1, false, false);
        let picked = runner.join().unwrap();
        assert_eq!(
            picked.is_some(),
            !watches,
            "either the hub that sleeps watches, or it is woken"
        );
    });
}
