//! Meeting of all.
//!
//! Under the lock of the list lie how many have come to the meeting that is on, and that meeting's number. The last to come ends
//! it in one step: the count begins anew, the number changes, and all who wait are completed. **Whether a waiter has come is
//! decided by the number, under that lock, and by nothing else**: one that gives up while its meeting is still on has not
//! come, and takes itself out of the count; one whose meeting is over was counted, and has passed with the others, whatever
//! became of its wait. So the count is the number of waiters whose meeting is on, and is never below zero.

use std::cell::Cell;

use crate::greenlet::{Interrupt, WaitKind};
use crate::primitive::const_fn;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited, deliver};

/// Where so many greenlets or OS threads wait until all have come: [`std::sync::Barrier`]'s interface. It can be used again at
/// once.
///
/// ```
/// use greenhub::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = greenhub::scope(|s| {
///     let all: Vec<_> = (0..3).map(|_| s.spawn(|| barrier.wait().is_leader())).collect();
///     all.into_iter().map(|one| one.join().unwrap()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
///
/// One that is killed while it waits has not come: another must come in its place. If all have come by then it goes on with
/// the others, and its next wait ends it.
#[derive(Debug)]
pub struct Barrier {
    meeting: WaitQueue<Meeting>,
    count: usize,
}

/// The meeting that is on.
#[derive(Debug)]
struct Meeting {
    number: u64,
    /// How many have come, and not given up.
    come: usize,
}

/// What [`Barrier::wait`] returns.
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// The caller was the last to come: one of all is.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    const_fn! {
        /// For so many; zero is as good as one.
        #[must_use]
        pub fn new(count: usize) -> Barrier {
            Barrier {
                meeting: WaitQueue::new(Meeting { number: 0, come: 0 }),
                count,
            }
        }
    }

    /// Waits until all have come.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        match self.meet() {
            Ok(leads) => BarrierWaitResult(leads),
            Err(interrupt) => deliver(interrupt),
        }
    }

    /// Whether the caller was the last to come; or what keeps it from coming, which is to be delivered.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn meet(&self) -> Result<bool, Interrupt> {
        let mine = Cell::new(0);
        let passed = Cell::new(false);
        let come = |meeting: &mut Locked<'_, Meeting>, _: &Node| {
            mine.set(meeting.number);
            meeting.come += 1;
            let last = meeting.come >= self.count;
            if last {
                meeting.number += 1;
                meeting.come = 0;
                // The caller's own wait is over with the others'.
                meeting.complete_all(Token::Given);
            }
            last.then_some(())
        };
        let give_up = |meeting: &mut Locked<'_, Meeting>| {
            if meeting.number == mine.get() {
                meeting.come -= 1;
            } else {
                passed.set(true);
            }
        };
        let wait = Wait::new(WaitKind::Barrier, None);
        match self.meeting.wait_quietly(wait, come, give_up) {
            Waited::Ready(()) => Ok(true),
            Waited::Interrupted(interrupt) if !passed.get() => Err(interrupt),
            _ => Ok(false),
        }
    }
}
