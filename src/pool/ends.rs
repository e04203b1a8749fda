//! How many members of a group have not ended, who of them has failed, and waiting for that.
//!
//! A member is counted before it is spawned, because it may have ended before its spawner has come back. So each spawn has two
//! halves, made together by [`Ends::begin`]:
//!
//! * the [`Member`] goes with the closure, and counts the end when it is dropped, whatever that end is;
//! * the [`Spawning`] stays with the spawner. If the spawn is refused the closure is dropped unrun, and the member with it, which
//!   looks like a failure. Then the `Spawning` is dropped without [`Spawning::succeeded`], and takes that failure back.
//!
//! Members are told apart by numbers that are never used again, not by their places in a list: a place that was
//! meant for one who was refused would be another's.

use crate::greenlet::{Interrupt, WaitKind};
use crate::primitive::sync::Arc;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// What the members have come to.
#[derive(Debug)]
pub(crate) struct Ends(WaitQueue<State>);

#[derive(Debug)]
pub(crate) struct State {
    /// Those who have not ended, the ones that are being spawned among them.
    alive: usize,
    /// Who failed, in that order.
    failed: Vec<Number>,
    next: Number,
}

/// Tells a member from all others of its group.
pub(crate) type Number = u64;

impl State {
    /// All have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.alive == 0
    }

    /// All have ended, or one has failed.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_over() || !self.failed.is_empty()
    }
}

/// A member's own half of its spawn: counts its end when it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    number: Number,
    has_succeeded: bool,
    ends: Arc<Ends>,
}

/// The spawner's half.
#[derive(Debug)]
#[must_use = "a spawn that is not said to have succeeded was refused"]
pub(crate) struct Spawning<'a> {
    number: Number,
    ends: &'a Ends,
}

impl Ends {
    /// Of no members.
    pub(crate) fn new() -> Ends {
        Ends(WaitQueue::new(State {
            alive: 0,
            failed: Vec::new(),
            next: 0,
        }))
    }

    /// A member is about to be spawned.
    pub(crate) fn begin(this: &Arc<Ends>) -> (Spawning<'_>, Member) {
        let mut state = this.0.lock();
        let number = state.next;
        state.next += 1;
        state.alive += 1;
        drop(state);
        let member = Member {
            number,
            has_succeeded: false,
            ends: Arc::clone(this),
        };
        (Spawning { number, ends: this }, member)
    }

    /// How many have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.0.lock().alive
    }

    /// Who failed first.
    pub(crate) fn first_failed(&self) -> Option<Number> {
        self.0.lock().failed.first().copied()
    }

    /// Waits until it is `done`. `Err`: this is to be delivered, and it is not.
    #[track_caller]
    pub(crate) fn wait(&self, done: fn(&State) -> bool) -> Result<(), Interrupt> {
        let look = |state: &mut Locked<'_, State>, _: &Node| done(state).then_some(());
        while !done(&self.0.lock()) {
            let wait = Wait::new(WaitKind::Join, None);
            let waited = self.0.wait_quietly(wait, look, |_| ());
            if let Waited::Interrupted(interrupt) = waited {
                // What has come after the waiter left the list counts all the same.
                return if done(&self.0.lock()) {
                    Ok(())
                } else {
                    Err(interrupt)
                };
            }
        }
        Ok(())
    }
}

impl Member {
    /// It has a value, and nothing is left to be done.
    pub(crate) fn succeed(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.ends.0.lock();
        state.alive -= 1;
        if !self.has_succeeded {
            state.failed.push(self.number);
        }
        if state.is_decided() {
            state.complete_all(Token::Retry);
        }
    }
}

impl Spawning<'_> {
    /// The greenlet is there. Returns its number.
    pub(crate) fn succeeded(self) -> Number {
        std::mem::ManuallyDrop::new(self).number
    }
}

impl Drop for Spawning<'_> {
    /// It was refused, and its member is gone.
    fn drop(&mut self) {
        let mut state = self.ends.0.lock();
        state.failed.retain(|number| *number != self.number);
    }
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::{Arc, Ends};

    #[test]
    fn a_refused_spawn_leaves_no_trace() {
        let ends = Arc::new(Ends::new());
        let (spawning, failing) = Ends::begin(&ends);
        let number = spawning.succeeded();
        let (refused, member) = Ends::begin(&ends);
        assert_eq!(ends.alive(), 2);
        drop(member);
        // Meanwhile another fails.
        drop(failing);
        drop(refused);
        assert_eq!((ends.alive(), ends.first_failed()), (0, Some(number)));
    }
}
