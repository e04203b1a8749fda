//! What a call returns, and whoever waits for it.
//!
//! Both sides act under one lock, that of the waiter's queue, and each value has one owner at each moment:
//!
//! * The waiter takes it, if it is there when the waiter looks, or was put while it waited.
//! * A waiter that is broken off says so in the same hold of the lock in which it leaves the list. If the value came between
//!   its decision and that, it takes it all the same, and returns as if nothing had happened: the kill or the time limit is
//!   still due, and is delivered at its next wait. So what was completed is never lost.
//! * If the waiter has gone, the value goes back to who has brought it, who drops it.

use crate::greenlet::{Interrupt, WaitKind};
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// Room for one value, put once and waited for once.
#[derive(Debug)]
pub(crate) struct Outcome<R>(WaitQueue<Place<R>>);

#[derive(Debug)]
enum Place<R> {
    Empty,
    Full(R),
    /// Nobody will come for it.
    Abandoned,
}

impl<R> Place<R> {
    /// Takes the value, if it is there.
    fn take(&mut self) -> Option<R> {
        match std::mem::replace(self, Place::Empty) {
            Place::Full(value) => Some(value),
            before => {
                *self = before;
                None
            }
        }
    }
}

impl<R> Outcome<R> {
    /// It is to come.
    pub(crate) fn new() -> Outcome<R> {
        Outcome(WaitQueue::new(Place::Empty))
    }

    /// The value is there. Given back if nobody waits for it any more.
    #[must_use = "a value that nobody waits for is the caller's to drop"]
    pub(crate) fn put(&self, value: R) -> Option<R> {
        let mut place = self.0.lock();
        if matches!(*place, Place::Abandoned) {
            return Some(value);
        }
        *place = Place::Full(value);
        // If this fails, the waiter is about to come, or to go: it looks at the place either way.
        place.complete_first(Token::Given);
        None
    }

    /// Waits for the value. `Err`: this is to be delivered, and the value will be of no use.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn wait(&self) -> Result<R, Interrupt> {
        let mut late = None;
        let waited = self.0.wait_quietly(
            Wait::new(WaitKind::Offload, None),
            |place: &mut Locked<'_, Place<R>>, _: &Node| place.take(),
            |place| {
                late = place.take();
                if late.is_none() {
                    **place = Place::Abandoned;
                }
            },
        );
        match waited {
            Waited::Ready(value) => Ok(value),
            Waited::Interrupted(interrupt) => late.ok_or(interrupt),
            // It has no deadline.
            Waited::Completed(_) | Waited::TimedOut => {
                Ok(self.0.lock().take().expect("it was put before"))
            }
        }
    }
}
