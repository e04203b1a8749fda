//! Where a greenlet is in its life: one atomic word, and every way in which it may change.
//!
//! ```text
//!            start               commit_park
//!   FRESH ───────────▶ ACTIVE ◀──────────────▶ PARKED
//!     │                  │        unpark, kill
//!     │ kill, cancel     │ finish
//!     ▼                  ▼
//!   DONE ◀──────────── DONE
//! ```
//!
//! ACTIVE covers "runs" and "is ready in a queue" alike: nobody but the hub that holds the greenlet needs to tell them
//! apart, and so a yield changes nothing here.
//!
//! # Invariants
//!
//! 1. Whoever moves the word from PARKED to ACTIVE, and nobody else, hands the greenlet to its scheduler. So it is in
//!    at most one queue, and never resumed twice.
//! 2. A wake-up that meets ACTIVE leaves `TOKEN`. [`State::commit_park`] refuses while it is set, so a wake-up between a
//!    greenlet's decision to park and the hub's commit is never lost.
//! 3. PARKED is entered only by the hub, after the switch away from the greenlet's stack: whoever sees PARKED may have
//!    the stack resumed at once.
//! 4. DONE is final. The move from FRESH to DONE belongs to exactly one killer or hub, which then owns the closure.
//!    (What is `PINNED` is not moved so by a killer: it begins on its own hub, finds the kill due, and drops its closure.)

use crate::primitive::atomic::{AtomicU32, Ordering};

/// Has never run; has no stack.
const FRESH: u32 = 0;
/// Runs, or is ready to.
const ACTIVE: u32 = 1;
/// Waits to be unparked.
const PARKED: u32 = 2;
/// Has ended, or was killed before it began.
const DONE: u32 = 3;
/// The bits that hold one of the four above.
const LIFE: u32 = 0b11;

/// A wake-up came while the greenlet was not parked.
const TOKEN: u32 = 1 << 2;
/// The permit of the public `park` and `unpark`.
const PERMIT: u32 = 1 << 3;
/// The greenlet has been asked to end.
const KILL: u32 = 1 << 4;
/// A kill is not to be delivered now.
const SHIELD: u32 = 1 << 5;
/// The greenlet waits by blocking its OS thread, because it is unwinding.
const BLOCKED: u32 = 1 << 6;
/// Bound to its hub since birth: its closure may be dropped nowhere else.
const PINNED: u32 = 1 << 7;

/// The life of one greenlet.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

/// What [`State::start`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a greenlet that is gone must not run"]
pub(crate) enum Start {
    /// It is ACTIVE now. If a kill is due already, it begins only to drop its closure.
    Run,
    /// Its killer has completed it; the caller only lets go of it.
    Gone,
}

/// What [`State::commit_park`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a greenlet whose park was refused must be queued again"]
pub(crate) enum Commit {
    /// It is PARKED. It belongs to whoever unparks it: the hub must not touch it again.
    Parked,
    /// A wake-up or a kill came first: queue it again.
    Refused,
}

/// What a wake-up has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a greenlet that left PARKED must be scheduled, or it sleeps for ever"]
pub(crate) enum Wake {
    /// It left PARKED: hand it to its scheduler.
    Schedule,
    /// It blocks its OS thread: wake that.
    Thread,
    /// Nothing to do: it was awake, has a token now, or has ended.
    Nothing,
}

/// What a killer has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a greenlet that left PARKED must be scheduled, and one that was fresh completed"]
pub(crate) enum Kill {
    /// It was fresh and is DONE now: the caller owns the closure, drops it, and completes the greenlet.
    Cancel,
    /// It left PARKED: hand it to its scheduler.
    Schedule,
    /// It will notice by itself, cannot be killed now, or has ended.
    Nothing,
}

/// Where a greenlet is, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Has never run.
    Fresh,
    /// Runs or is ready.
    Active,
    /// Waits.
    Parked,
    /// Has ended.
    Done,
}

impl State {
    /// A fresh greenlet. One that is `pinned` is cancelled by its own hub only.
    pub(crate) fn fresh(pinned: bool) -> State {
        State(AtomicU32::new(FRESH | if pinned { PINNED } else { 0 }))
    }

    /// The hub is about to give it a stack and run it.
    pub(crate) fn start(&self) -> Start {
        // Acquire pairs with the release in `kill`: a killer that claimed the greenlet completes it, and this hub, which
        // only lets go of it, may be the one that frees it.
        self.update(|word| match word & LIFE {
            FRESH => (Some(with_life(word, ACTIVE)), Start::Run),
            _ => (None, Start::Gone),
        })
    }

    /// The hub that holds a fresh greenlet, or the greenlet itself: it is not to go on.
    pub(crate) fn doom(&self) {
        // Relaxed: whoever starts it next is the same thread.
        self.0.fetch_or(KILL, Ordering::Relaxed);
    }

    /// Somebody who holds a fresh greenlet decides that it is not to run. `true`: it is DONE now, and the caller owns the
    /// closure; `false`: its killer was faster.
    #[must_use = "whoever cancels a greenlet must complete it"]
    pub(crate) fn cancel(&self) -> bool {
        self.update(|word| match word & LIFE {
            FRESH => (Some(with_life(word, DONE)), true),
            _ => (None, false),
        })
    }

    /// The greenlet has switched away in order to park.
    pub(crate) fn commit_park(&self) -> Commit {
        // Release on success publishes the suspended stack to whoever unparks; acquire on refusal takes in what the
        // waker published before it left the token.
        self.update(|word| {
            debug_assert_eq!(word & LIFE, ACTIVE, "only a running greenlet parks");
            if word & TOKEN != 0 {
                (Some(word & !TOKEN), Commit::Refused)
            } else if kill_is_due(word) {
                (None, Commit::Refused)
            } else {
                (Some(with_life(word, PARKED)), Commit::Parked)
            }
        })
    }

    /// Wakes the greenlet, or leaves it a token.
    pub(crate) fn unpark(&self) -> Wake {
        self.wake(0)
    }

    /// The public `unpark`: leaves the permit as well.
    pub(crate) fn unpark_with_permit(&self) -> Wake {
        self.wake(PERMIT)
    }

    fn wake(&self, also: u32) -> Wake {
        // Release publishes what the waker wrote before waking; acquire takes in the suspended stack.
        self.update(|word| match word & LIFE {
            PARKED => (Some(with_life(word, ACTIVE) | also), Wake::Schedule),
            DONE => (None, Wake::Nothing),
            _ if word & BLOCKED != 0 => (Some(word | TOKEN | also), Wake::Thread),
            _ => (Some(word | TOKEN | also), Wake::Nothing),
        })
    }

    /// The greenlet itself, before it would park: takes a token that has come in the meantime.
    pub(crate) fn take_token(&self) -> bool {
        self.take(TOKEN)
    }

    /// The greenlet itself, in the public `park`: takes the permit.
    pub(crate) fn take_permit(&self) -> bool {
        self.take(PERMIT)
    }

    fn take(&self, bit: u32) -> bool {
        // The plain load keeps the common miss free of a locked instruction; acquire pairs with `wake`'s release.
        self.0.load(Ordering::Relaxed) & bit != 0
            && self.0.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// The greenlet has run to its end.
    pub(crate) fn finish(&self) {
        // A plain store: a wake-up or kill that races with it either lands before, and is overwritten, or finds DONE;
        // both are void for a greenlet that has ended.
        self.0.store(DONE, Ordering::Release);
    }

    /// Asks the greenlet to end.
    pub(crate) fn kill(&self) -> Kill {
        self.update(|word| match word & LIFE {
            DONE => (None, Kill::Nothing),
            FRESH if word & PINNED == 0 => (Some(with_life(word, DONE) | KILL), Kill::Cancel),
            PARKED if word & SHIELD == 0 => (Some(with_life(word, ACTIVE) | KILL), Kill::Schedule),
            _ => (Some(word | KILL), Kill::Nothing),
        })
    }

    /// A kill has been asked for, and nothing shields the greenlet from it.
    #[inline]
    pub(crate) fn kill_is_due(&self) -> bool {
        // Relaxed: delivery may come one suspension later without harm, and carries no data.
        kill_is_due(self.0.load(Ordering::Relaxed))
    }

    /// The greenlet itself: goes on as if it had not been killed. A kill that races with this may be lost in it, as if it had
    /// come before.
    pub(crate) fn refuse_kill(&self) {
        self.0.fetch_and(!KILL, Ordering::Relaxed);
    }

    /// The greenlet itself: from now on kills wait.
    pub(crate) fn shield(&self) {
        self.0.fetch_or(SHIELD, Ordering::Relaxed);
    }

    /// The greenlet itself: kills are delivered again, one that has waited at the next suspension.
    pub(crate) fn unshield(&self) {
        self.0.fetch_and(!SHIELD, Ordering::Relaxed);
    }

    /// The greenlet itself: it is about to block its OS thread, because it must not park.
    pub(crate) fn enter_blocked(&self) {
        self.0.fetch_or(BLOCKED, Ordering::AcqRel);
    }

    /// The greenlet itself: it runs on.
    pub(crate) fn leave_blocked(&self) {
        self.0.fetch_and(!BLOCKED, Ordering::AcqRel);
    }

    /// Where it is, for reports: true at the moment of the call only.
    pub(crate) fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) & LIFE {
            FRESH => Phase::Fresh,
            ACTIVE => Phase::Active,
            PARKED => Phase::Parked,
            _ => Phase::Done,
        }
    }

    /// It is bound to its hub since birth.
    pub(crate) fn is_pinned(&self) -> bool {
        self.0.load(Ordering::Relaxed) & PINNED != 0
    }

    /// It waits by blocking its OS thread, at the moment of the call.
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.load(Ordering::Acquire) & BLOCKED != 0
    }

    /// Applies `step` until its new word is stored, or it asks for none.
    #[inline]
    fn update<R>(&self, step: impl Fn(u32) -> (Option<u32>, R)) -> R {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let (next, outcome) = step(word);
            let Some(next) = next else { return outcome };
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }
}

fn with_life(word: u32, life: u32) -> u32 {
    word & !LIFE | life
}

fn kill_is_due(word: u32) -> bool {
    word & (KILL | SHIELD) == KILL
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::{Commit, Kill, Phase, Start, State, Wake};

    fn active() -> State {
        let state = State::fresh(false);
        assert_eq!(state.start(), Start::Run);
        state
    }

    #[test]
    fn a_wake_up_before_the_park_is_kept() {
        let state = active();
        assert_eq!(state.unpark(), Wake::Nothing);
        assert_eq!(state.commit_park(), Commit::Refused);
        assert_eq!(state.commit_park(), Commit::Parked);
        assert_eq!(state.unpark(), Wake::Schedule);
        assert_eq!(state.phase(), Phase::Active);
    }

    #[test]
    fn the_permit_outlives_an_internal_wake_up() {
        let state = active();
        assert_eq!(state.unpark_with_permit(), Wake::Nothing);
        assert!(state.take_token());
        assert!(state.take_permit());
        assert!(!state.take_permit());
    }

    #[test]
    fn a_fresh_greenlet_that_is_killed_never_starts() {
        let state = State::fresh(false);
        assert_eq!(state.kill(), Kill::Cancel);
        assert_eq!(state.start(), Start::Gone);
        assert_eq!(state.kill(), Kill::Nothing);
    }

    #[test]
    fn a_pinned_one_begins_on_its_hub_with_the_kill_due() {
        let state = State::fresh(true);
        assert_eq!(state.kill(), Kill::Nothing);
        assert_eq!(state.start(), Start::Run);
        assert!(state.kill_is_due());
    }

    #[test]
    fn a_cancelled_one_belongs_to_whoever_cancelled_it() {
        let state = State::fresh(false);
        assert!(state.cancel());
        assert!(!state.cancel());
        assert_eq!(state.kill(), Kill::Nothing);
        assert_eq!(state.start(), Start::Gone);
    }

    #[test]
    fn a_shield_holds_a_kill_back() {
        let state = active();
        state.shield();
        assert_eq!(state.kill(), Kill::Nothing);
        assert!(!state.kill_is_due());
        assert_eq!(state.commit_park(), Commit::Parked);
        assert_eq!(state.unpark(), Wake::Schedule);
        state.unshield();
        assert!(state.kill_is_due());
        assert_eq!(state.commit_park(), Commit::Refused);
    }

    #[test]
    fn nothing_wakes_the_dead() {
        let state = active();
        state.finish();
        assert_eq!(state.unpark(), Wake::Nothing);
        assert_eq!(state.kill(), Kill::Nothing);
        assert_eq!(state.phase(), Phase::Done);
    }
}
