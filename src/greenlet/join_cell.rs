//! How a greenlet's end meets whoever waits for it.
//!
//! The output itself lies beside this cell, in the greenlet's allocation. The cell says who owns it:
//!
//! * until [`JoinCell::complete`] the greenlet writes it;
//! * after that the holder of the join handle reads or drops it, unless the handle was dropped before
//!   ([`JoinCell::detach`]): then the completer does.
//!
//! The completer is the greenlet itself, on its own stack (or, for one that never runs, whoever cancels it). What it finds to be
//! done, a waker to call or an output to drop, is somebody else's code and may wait; so from `complete` to the end of that
//! the greenlet is *completed*: it may park and be unparked like any other, but is shielded from kills, which mean nothing to a
//! greenlet that has left its output. Only after that does its hub take the stack away, and move the state to DONE.
//!
//! `complete` and `detach` are both one read-modify-write on the same word, so exactly one of them comes second, and
//! that one drops the output. The waiter's place is written by the joiner only while it has not announced it
//! (`WAITING`), and read by whoever turns the announced bit off: the completer, by setting `COMPLETE` on top, or the
//! joiner, by a successful [`JoinCell::withdraw`].

use crate::primitive::atomic::{AtomicU32, Ordering};
use crate::primitive::cell::UnsafeCell;

/// The output may be read.
const COMPLETE: u32 = 1;
/// A waiter has been left.
const WAITING: u32 = 2;
/// The handle has been dropped.
const DETACHED: u32 = 4;

/// One greenlet's end and at most one waiter for it.
#[derive(Debug)]
pub(crate) struct JoinCell<W> {
    word: AtomicU32,
    /// Written and read as the module's doc says.
    waiter: UnsafeCell<Option<W>>,
}

// SAFETY: the waiter moves from the joiner's thread to the completer's (W: Send); the word says who may touch it, and
// every hand-over is a release store that the other side acquires.
unsafe impl<W: Send> Sync for JoinCell<W> {}

/// What the completer has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a waiter must be woken, and the output of a detached greenlet dropped"]
pub(crate) enum Completed<W> {
    /// Wake this waiter.
    Wake(W),
    /// The handle's holder will come and see.
    Unwatched,
    /// The handle is gone: the output is the completer's to drop.
    Detached,
}

impl<W> JoinCell<W> {
    /// For a greenlet that has not ended, with a handle to it.
    pub(crate) fn new() -> JoinCell<W> {
        JoinCell {
            word: AtomicU32::new(0),
            waiter: UnsafeCell::new(None),
        }
    }

    /// The completer, once, after the output is in its place.
    pub(crate) fn complete(&self) -> Completed<W> {
        // Release publishes the output; acquire takes in the waiter.
        // (An addition, as the bit is not set: one instruction, where returning the old word of an `or` takes a loop.)
        let before = self.word.fetch_add(COMPLETE, Ordering::AcqRel);
        if before & DETACHED != 0 {
            return Completed::Detached;
        }
        if before & WAITING == 0 {
            return Completed::Unwatched;
        }
        // SAFETY: WAITING was set and COMPLETE was not: the place is the completer's from here on.
        match self.waiter.with_mut(|waiter| unsafe { (*waiter).take() }) {
            Some(waiter) => Completed::Wake(waiter),
            None => Completed::Unwatched,
        }
    }

    /// The joiner, who has left no waiter yet: leaves one. Given back when the greenlet has ended already.
    pub(crate) fn wait(&self, waiter: W) -> Result<(), W> {
        let before = self.word.load(Ordering::Acquire);
        debug_assert!(
            before & (WAITING | COMPLETE) != WAITING,
            "a second waiter was left"
        );
        if before & COMPLETE != 0 {
            return Err(waiter);
        }
        // SAFETY: WAITING is not set, so the completer does not look at the place; there is only one joiner.
        self.waiter
            .with_mut(|place| unsafe { *place = Some(waiter) });
        // Release publishes the waiter to the completer.
        let before = self.word.fetch_add(WAITING, Ordering::AcqRel);
        if before & COMPLETE == 0 {
            return Ok(());
        }
        // SAFETY: COMPLETE was set before WAITING, so the completer did not see a waiter and is done with the place.
        match self.waiter.with_mut(|place| unsafe { (*place).take() }) {
            Some(waiter) => Err(waiter),
            None => Ok(()),
        }
    }

    /// The joiner, who has left a waiter: takes it back. `None` when the completer has it.
    pub(crate) fn withdraw(&self) -> Option<W> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & COMPLETE != 0 || word & WAITING == 0 {
                return None;
            }
            match self.word.compare_exchange_weak(
                word,
                word & !WAITING,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // SAFETY: WAITING was turned off before COMPLETE was set: the place is the joiner's again.
                Ok(_) => return self.waiter.with_mut(|place| unsafe { (*place).take() }),
                Err(now) => word = now,
            }
        }
    }

    /// The output may be read. Acquire pairs with the release in [`JoinCell::complete`].
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.word.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// The handle is dropped, with no waiter left behind. `true`: the output is the caller's to drop.
    #[must_use = "the output of a greenlet that has ended must be dropped"]
    pub(crate) fn detach(&self) -> bool {
        self.word.fetch_add(DETACHED, Ordering::AcqRel) & COMPLETE != 0
    }
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::{Completed, JoinCell};

    #[test]
    fn the_second_of_detach_and_complete_owns_the_output() {
        let cell = JoinCell::<u8>::new();
        assert!(!cell.detach());
        assert_eq!(cell.complete(), Completed::Detached);

        let cell = JoinCell::<u8>::new();
        assert_eq!(cell.complete(), Completed::Unwatched);
        assert!(cell.detach());
    }

    #[test]
    fn a_waiter_is_woken_or_given_back() {
        let cell = JoinCell::new();
        assert_eq!(cell.wait(7), Ok(()));
        assert_eq!(cell.complete(), Completed::Wake(7));
        assert_eq!(cell.wait(8), Err(8));
        assert_eq!(cell.withdraw(), None);
    }

    #[test]
    fn a_withdrawn_waiter_is_not_woken() {
        let cell = JoinCell::new();
        assert_eq!(cell.wait(7), Ok(()));
        assert_eq!(cell.withdraw(), Some(7));
        assert_eq!(cell.complete(), Completed::Unwatched);
    }
}
