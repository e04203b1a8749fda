//! Who is connected: the bound, the spread over the hubs, and the end.
//!
//! A connection is on the roll from before its greenlet is spawned until its handler has returned and its stream is
//! closed: a [`Member`] goes with the closure, and is dropped last, whether the closure ran to its end, panicked, was killed,
//! or was never to run.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::greenlet::{Greenlet, WaitKind};
use crate::primitive::sync::Arc;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, deadline_after, has_passed};

/// The roll itself. Who waits for it to change waits in its queue.
#[derive(Debug)]
pub(super) struct Roll(WaitQueue<State>);

/// What is under its lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The connections, by their numbers. A greenlet is entered as soon as it has been spawned.
    members: HashMap<u64, Option<Greenlet>>,
    /// How many of them are on each hub.
    by_hub: Vec<usize>,
    /// Where the search for the hub with the fewest begins, so that those that have as many take turns.
    turn: usize,
    /// How many connections have been entered.
    entered: u64,
    /// How many have left.
    left: u64,
    /// How the stop is getting on.
    stage: Stage,
    /// How many have left at which stage.
    drained: usize,
    killed: usize,
    /// When those that are left are killed; `None` for never.
    deadline: Option<Instant>,
    /// The greenlet that accepts.
    acceptor: Option<Greenlet>,
}

/// Where a server is between its start and its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Serving,
    Draining,
    Killing,
}

/// A connection's place on the roll.
#[derive(Debug)]
pub(super) struct Member {
    number: u64,
    hub: usize,
    roll: Arc<Roll>,
}

impl Roll {
    pub(super) fn new() -> Arc<Roll> {
        Arc::new(Roll(WaitQueue::new(State::default())))
    }

    /// How many hubs the connections are to be spread over.
    pub(super) fn spread_over(&self, hubs: usize) {
        self.0.lock().by_hub.resize(hubs.max(1), 0);
    }

    /// The acceptor has been spawned. `false`: a stop has come before it, and it must be killed.
    pub(super) fn set_acceptor(&self, acceptor: &Greenlet) -> bool {
        let mut state = self.0.lock();
        state.acceptor = Some(acceptor.clone());
        state.stage == Stage::Serving
    }

    /// Waits while `bound` are connected.
    #[track_caller]
    pub(super) fn wait_below(&self, bound: usize) {
        self.wait(WaitKind::Accept, None, |state| state.members.len() < bound);
    }

    /// Waits until a connection leaves, or `patience` has passed.
    #[track_caller]
    pub(super) fn wait_for_leaver(&self, patience: Duration) {
        let left = self.0.lock().left;
        let deadline = deadline_after(patience);
        self.wait(WaitKind::Accept, deadline, |state| state.left != left);
    }

    /// Enters a connection, on the hub that has the fewest.
    pub(super) fn enter(self: &Arc<Roll>) -> Member {
        let mut state = self.0.lock();
        let hub = state.least_loaded();
        state.by_hub[hub] += 1;
        let number = state.entered;
        state.entered += 1;
        state.members.insert(number, None);
        Member {
            number,
            hub,
            roll: Arc::clone(self),
        }
    }

    /// The greenlet of a connection has been spawned. It may have ended since.
    pub(super) fn set_greenlet(&self, number: u64, greenlet: &Greenlet) {
        if let Some(place) = self.0.lock().members.get_mut(&number) {
            *place = Some(greenlet.clone());
        }
    }

    /// A stop begins, or an earlier one is to end sooner. The acceptor is for the caller to kill.
    pub(super) fn begin_stop(&self, deadline: Option<Instant>) -> Option<Greenlet> {
        let mut state = self.0.lock();
        if state.stage == Stage::Serving {
            state.stage = Stage::Draining;
        }
        state.deadline = [state.deadline, deadline].into_iter().flatten().min();
        state.complete_all(Token::Retry);
        state.acceptor.clone()
    }

    /// Waits until nobody is connected any more. `false`: the time is up before.
    #[track_caller]
    pub(super) fn wait_until_empty(&self) -> bool {
        loop {
            let deadline = {
                let state = self.0.lock();
                if state.members.is_empty() {
                    return true;
                }
                state.deadline
            };
            if has_passed(deadline) {
                return false;
            }
            // A second stop may bring the deadline forward.
            self.wait(WaitKind::Join, deadline, |state| {
                state.members.is_empty() || state.deadline != deadline
            });
        }
    }

    /// Waits until nobody is connected any more, however long that takes.
    #[track_caller]
    pub(super) fn wait_for_the_last(&self) {
        self.wait(WaitKind::Join, None, |state| state.members.is_empty());
    }

    /// Those who have not ended in time, to be killed by the caller. From now on whoever leaves counts as killed.
    pub(super) fn begin_killing(&self) -> Vec<Greenlet> {
        let mut state = self.0.lock();
        state.stage = Stage::Killing;
        state.members.values().flatten().cloned().collect()
    }

    /// How many have ended by themselves since the stop, and how many were killed.
    pub(super) fn outcome(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.drained, state.killed)
    }

    /// How many have been entered so far, and how many are there now.
    pub(super) fn figures(&self) -> (u64, usize) {
        let state = self.0.lock();
        (state.entered, state.members.len())
    }

    /// Waits until `done`, or the deadline. A kill that is due unwinds from here.
    #[track_caller]
    fn wait(&self, kind: WaitKind, deadline: Option<Instant>, done: impl Fn(&State) -> bool) {
        let look = |state: &mut Locked<'_, State>, _: &Node| done(state).then_some(());
        while !done(&self.0.lock()) && !has_passed(deadline) {
            let _look_again = self.0.wait(Wait::new(kind, deadline), look, |_| ());
        }
    }
}

impl State {
    fn least_loaded(&mut self) -> usize {
        let hubs = self.by_hub.len();
        let order = (0..hubs).map(|step| (self.turn + step) % hubs);
        let hub = order.min_by_key(|hub| self.by_hub[*hub]).unwrap_or(0);
        self.turn = (hub + 1) % hubs;
        hub
    }
}

impl Member {
    /// Where its greenlet is to begin.
    pub(super) fn hub(&self) -> usize {
        self.hub
    }

    /// What it is called on the roll.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.roll.0.lock();
        let greenlet = state.members.remove(&self.number);
        state.by_hub[self.hub] -= 1;
        state.left += 1;
        match state.stage {
            Stage::Serving => {}
            Stage::Draining => state.drained += 1,
            Stage::Killing => state.killed += 1,
        }
        state.complete_all(Token::Retry);
        drop(state);
        // Outside the lock: it may be the last to hold a greenlet.
        drop(greenlet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll(hubs: usize) -> Arc<Roll> {
        let roll = Roll::new();
        roll.spread_over(hubs);
        roll
    }

    #[test]
    fn connections_take_turns_over_the_hubs() {
        let roll = roll(3);
        let members: Vec<Member> = (0..6).map(|_| roll.enter()).collect();
        let hubs: Vec<usize> = members.iter().map(Member::hub).collect();
        assert_eq!(hubs, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_hub_with_the_fewest_is_next() {
        let roll = roll(2);
        let mut members: Vec<Member> = (0..6).map(|_| roll.enter()).collect();
        members.retain(|member| member.hub() == 0);
        let hubs: Vec<usize> = (0..3)
            .map(|_| {
                members.push(roll.enter());
                members.last().map_or(9, Member::hub)
            })
            .collect();
        assert_eq!(hubs, [1, 1, 1]);
    }

    #[test]
    fn a_later_stop_may_bring_the_deadline_forward_but_not_back() {
        let roll = roll(1);
        let _stays = roll.enter();
        let now = Instant::now();
        assert!(roll.begin_stop(None).is_none());
        assert!(roll.begin_stop(Some(now)).is_none());
        assert!(
            roll.begin_stop(Some(now + Duration::from_secs(600)))
                .is_none()
        );
        assert!(!roll.wait_until_empty());
    }

    #[test]
    fn who_leaves_before_the_stop_is_in_no_count() {
        let roll = roll(1);
        let [early, drained, killed] = [(); 3].map(|()| roll.enter());
        drop(early);
        roll.begin_stop(None);
        drop(drained);
        assert!(roll.begin_killing().is_empty(), "no greenlet was entered");
        drop(killed);
        assert_eq!(roll.outcome(), (1, 1));
        assert_eq!(roll.figures(), (3, 0));
        assert!(roll.wait_until_empty());
    }
}
