//! One direction of one socket: whether it may be worth trying, and who waits until it is.
//!
//! A poller that reports edges says once that a socket has become ready, and is then silent until it becomes ready
//! *again*. So an edge must be remembered until an attempt has shown that nothing is left of it. The memory is one word:
//!
//! ```text
//!      usize::BITS ..                4    3       2      1       0
//!     +-------------------------------+---------+------+--------+-------+
//!     |  tick: counts the events      | WAITING | WARY | CLOSED | READY |
//!     +-------------------------------+---------+------+--------+-------+
//! ```
//!
//! - **READY**: an attempt may succeed. It is set by every event, and at birth, when nothing is known.
//! - **tick** goes up by one with every event. An attempt remembers the word it began with ([`Readiness::look`]), and
//!   READY is cleared only if the tick is still the same: so an event that came in during the attempt, of which the attempt
//!   may or may not have seen the cause, is never erased.
//! - **WAITING**: somebody is on the list. Set and cleared under the list's lock. It spares the lock to the events that
//!   nobody waits for (every event of a busy socket also says that it is writable).
//! - **WARY**: an event has told of a hang-up, an error or urgent data. It is never cleared. Without it, an attempt that
//!   moved fewer bytes than it was asked for has emptied the socket (or filled it), if it is TCP's, so that READY can go
//!   without a second attempt that would say so. (Of other sockets a short transfer proves nothing.) With it, what is left to be had may be the end of the stream, for which no further
//!   event comes: then only an attempt that would block clears READY.
//! - **CLOSED**: no event will come any more, because the socket was closed or its hub has gone. READY stays set.
//!
//! # Nobody sleeps through an event
//!
//! A waiter puts itself on the list and then sets WAITING, by a read-modify-write that returns what the word was; an
//! event sets READY by one that returns whether WAITING was set. The two are ordered. If the waiter's came first, the
//! event sees WAITING and empties the list. If the event's came first, then the waiter sees READY and does not wait; unless
//! somebody has cleared READY in between, and that was somebody who began to look after the event, and found nothing.
//! WAITING is cleared only under the lock when the list is empty, so a waiter's WAITING cannot be cleared by an
//! event that missed the waiter.
//!
//! Everybody on the list is woken by any event: each tries again, and whoever finds nothing enrols again. Being woken is
//! never a grant, so a waiter that leaves (a timeout, a kill) owes nobody anything.

use smallvec::SmallVec;

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::Mutex;

const READY: usize = 1;
const CLOSED: usize = 1 << 1;
const WARY: usize = 1 << 2;
const WAITING: usize = 1 << 3;
const TICK: usize = 1 << 4;

/// The state of one direction. `W` is whatever can be woken; this type never wakes it itself.
#[derive(Debug)]
pub(crate) struct Readiness<W> {
    /// Written by pollers (events), by those who try, and by those who wait. See the module's text.
    word: AtomicUsize,
    waiters: Mutex<Waiters<W>>,
}

#[derive(Debug)]
struct Waiters<W> {
    /// What the next one is called.
    next: u64,
    /// One waiter is the rule, and lies beside the word.
    list: SmallVec<[(WaiterId, W); 1]>,
}

/// The word as an attempt found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(usize);

impl Seen {
    /// What a new socket's word looks like: nothing is known, and no event has come. An attempt that was made before
    /// there was a registration has seen this.
    pub(crate) const BIRTH: Seen = Seen(READY);

    /// An attempt may succeed.
    #[inline]
    pub(crate) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    /// No event will come any more.
    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

/// What became of the wish to forget an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "waiting is right only after `Yes`"]
pub(crate) enum Cleared {
    /// Nothing is known to be ready.
    Yes,
    /// It stays: another event has come since, or the event told of more than bytes, or the socket is closed.
    No,
}

/// What became of the wish to wait.
#[derive(Debug)]
#[must_use = "whoever waits must be withdrawn in the end"]
pub(crate) enum Enrolled {
    /// The waiter is on the list.
    Waiting(WaiterId),
    /// There is no need to wait.
    Ready,
    /// There is nothing to wait for.
    Closed,
}

/// Names one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterId(u64);

impl<W> Readiness<W> {
    /// Nothing is known yet, so everything is worth a try.
    pub(crate) fn new() -> Readiness<W> {
        Readiness {
            word: AtomicUsize::new(Seen::BIRTH.0),
            waiters: Mutex::new(Waiters {
                next: 0,
                list: SmallVec::new(),
            }),
        }
    }

    /// Before an attempt: what is known?
    #[inline]
    pub(crate) fn look(&self) -> Seen {
        // Acquire, pairs with the release in `set`: the attempt that follows is made after the cause of every event that
        // this tick counts. If the attempt could come before this load, `clear` might erase an event that the attempt
        // has not seen.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// A poller: an event has come. Whoever waited is appended to `woken`, to be woken when no lock is held.
    pub(crate) fn set(&self, wary: bool, woken: &mut Vec<W>) {
        let bits = READY | if wary { WARY } else { 0 };
        let old = self
            .update(|word| Some(word.wrapping_add(TICK) | bits))
            .unwrap_or_else(|word| word);
        if old & WAITING != 0 {
            self.empty_list(woken);
        }
    }

    /// An attempt, begun when `seen` was seen, would have blocked.
    pub(crate) fn clear(&self, seen: Seen) -> Cleared {
        self.clear_if(seen, CLOSED)
    }

    /// An attempt, begun when `seen` was seen, moved fewer bytes than it was asked for, on a socket where that shows that
    /// another would block. `No` is no error: the next attempt
    /// finds out.
    pub(crate) fn clear_after_short(&self, seen: Seen) -> Cleared {
        self.clear_if(seen, CLOSED | WARY)
    }

    /// Somebody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        // A read-modify-write, which sees the last change: who is on the list by then counts. It orders nothing.
        self.word.fetch_or(0, Ordering::Relaxed) & WAITING != 0
    }

    /// Puts a waiter on the list, unless there is something to try.
    pub(crate) fn enrol(&self, waiter: W) -> Enrolled {
        let mut waiters = self.waiters.lock();
        let id = WaiterId(waiters.next);
        waiters.next += 1;
        waiters.list.push((id, waiter));
        // Read-modify-write on the word that `set` writes: one of the two sees the other (see the module's text). Acquire
        // pairs with the release in `set`, as in `look`. Release orders nothing that the lock does not.
        let old = self.word.fetch_or(WAITING, Ordering::AcqRel);
        if old & (READY | CLOSED) == 0 {
            return Enrolled::Waiting(id);
        }
        let waiter = self.take(&mut waiters, id);
        drop(waiters);
        // Dropped outside the lock: it may be the last to hold a greenlet.
        drop(waiter);
        if old & CLOSED != 0 {
            Enrolled::Closed
        } else {
            Enrolled::Ready
        }
    }

    /// Takes a waiter off the list, if it is still there.
    pub(crate) fn withdraw(&self, id: WaiterId) {
        // Acquire pairs with the release in `empty_list`; a stale value only costs the lock.
        if self.word.load(Ordering::Acquire) & WAITING == 0 {
            // WAITING was set when this waiter was put on the list, and is cleared only when nobody is.
            return;
        }
        let mut waiters = self.waiters.lock();
        let waiter = self.take(&mut waiters, id);
        drop(waiters);
        drop(waiter);
    }

    /// No event will come any more. Whoever waited is appended to `woken`.
    pub(crate) fn close(&self, woken: &mut Vec<W>) {
        // As an event's: whoever enrols later sees CLOSED, whoever has enrolled is on the list.
        let old = self.word.fetch_or(CLOSED | READY, Ordering::AcqRel);
        if old & WAITING != 0 {
            self.empty_list(woken);
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.lock().list.len()
    }

    fn clear_if(&self, seen: Seen, unless: usize) -> Cleared {
        let cleared = self.update(|word| {
            let same_tick = (word ^ seen.0) & !(TICK - 1) == 0;
            (same_tick && word & unless == 0).then_some(word & !READY)
        });
        if cleared.is_ok() {
            Cleared::Yes
        } else {
            Cleared::No
        }
    }

    /// Changes the word in one step. Gives the word as it was: `Err` when `change` wanted none.
    fn update(&self, change: impl Fn(usize) -> Option<usize>) -> Result<usize, usize> {
        // Acquire-release. Release: in `set`, the event's cause comes before READY and the tick, for `look`. Acquire: in
        // `set`, the list that WAITING speaks of is behind its lock in any case. The first load is a guess that the
        // exchange checks.
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, change)
    }

    /// Moves the whole list to `woken`. It keeps its capacity, so that a socket's waits do not allocate.
    fn empty_list(&self, woken: &mut Vec<W>) {
        let mut waiters = self.waiters.lock();
        woken.extend(waiters.list.drain(..).map(|(_, waiter)| waiter));
        // Release pairs with the acquire in `withdraw`.
        self.word.fetch_and(!WAITING, Ordering::AcqRel);
    }

    /// Takes one waiter off the list, under its lock.
    fn take(&self, waiters: &mut Waiters<W>, id: WaiterId) -> Option<W> {
        let at = waiters.list.iter().position(|(other, _)| *other == id)?;
        let (_, waiter) = waiters.list.swap_remove(at);
        if waiters.list.is_empty() {
            // As in `empty_list`.
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
        }
        Some(waiter)
    }
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::*;

    fn event(readiness: &Readiness<u32>) -> Vec<u32> {
        let mut woken = Vec::new();
        readiness.set(false, &mut woken);
        woken
    }

    fn waiting(readiness: &Readiness<u32>, waiter: u32) -> WaiterId {
        match readiness.enrol(waiter) {
            Enrolled::Waiting(id) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_socket_is_worth_a_try() {
        let readiness = Readiness::<u32>::new();
        assert!(readiness.look().is_ready());
        assert!(matches!(readiness.enrol(1), Enrolled::Ready));
    }

    #[test]
    fn an_attempt_that_would_block_clears_and_an_event_sets() {
        let readiness = Readiness::<u32>::new();
        assert_eq!(readiness.clear(readiness.look()), Cleared::Yes);
        assert!(!readiness.look().is_ready());
        assert!(event(&readiness).is_empty());
        assert!(readiness.look().is_ready());
    }

    #[test]
    fn an_event_during_the_attempt_is_not_erased() {
        let readiness = Readiness::<u32>::new();
        let seen = readiness.look();
        event(&readiness);
        assert_eq!(readiness.clear(seen), Cleared::No);
        assert_eq!(readiness.clear_after_short(seen), Cleared::No);
        assert!(readiness.look().is_ready());
    }

    #[test]
    fn an_attempt_from_before_the_registration_counts_as_the_first() {
        let readiness = Readiness::<u32>::new();
        assert_eq!(readiness.clear(Seen::BIRTH), Cleared::Yes);
        event(&readiness);
        assert_eq!(readiness.clear(Seen::BIRTH), Cleared::No);
    }

    #[test]
    fn clearing_twice_is_clearing() {
        let readiness = Readiness::<u32>::new();
        let seen = readiness.look();
        assert_eq!(readiness.clear(seen), Cleared::Yes);
        assert_eq!(readiness.clear(seen), Cleared::Yes);
    }

    #[test]
    fn after_a_hang_up_a_short_attempt_proves_nothing_but_blocking_does() {
        let readiness = Readiness::<u32>::new();
        readiness.set(true, &mut Vec::new());
        event(&readiness);
        let seen = readiness.look();
        assert_eq!(readiness.clear_after_short(seen), Cleared::No);
        assert!(readiness.look().is_ready());
        assert_eq!(readiness.clear(seen), Cleared::Yes);
        assert!(!readiness.look().is_ready());
    }

    #[test]
    fn an_event_wakes_everybody_once() {
        let readiness = Readiness::<u32>::new();
        assert_eq!(readiness.clear(readiness.look()), Cleared::Yes);
        let ids = [1, 2, 3].map(|waiter| waiting(&readiness, waiter));
        assert_eq!(event(&readiness), [1, 2, 3]);
        assert!(event(&readiness).is_empty());
        for id in ids {
            readiness.withdraw(id);
        }
    }

    #[test]
    fn who_withdraws_is_not_woken_and_takes_nobody_along() {
        let readiness = Readiness::<u32>::new();
        assert_eq!(readiness.clear(readiness.look()), Cleared::Yes);
        let first = waiting(&readiness, 1);
        let second = waiting(&readiness, 2);
        readiness.withdraw(first);
        readiness.withdraw(first);
        assert_eq!(event(&readiness), [2]);
        readiness.withdraw(second);
    }

    #[test]
    fn closing_wakes_everybody_and_lasts() {
        let readiness = Readiness::<u32>::new();
        assert_eq!(readiness.clear(readiness.look()), Cleared::Yes);
        waiting(&readiness, 1);
        let mut woken = Vec::new();
        readiness.close(&mut woken);
        assert_eq!(woken, [1]);
        let seen = readiness.look();
        assert!(seen.is_closed() && seen.is_ready());
        assert_eq!(readiness.clear(seen), Cleared::No);
        assert!(matches!(readiness.enrol(2), Enrolled::Closed));
        assert!(event(&readiness).is_empty());
        assert!(readiness.look().is_closed());
    }
}
