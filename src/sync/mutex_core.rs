//! The protocol of [`Mutex`](super::Mutex).
//!
//! Two bits: `LOCKED`, and `WAITING` while there may be somebody in the queue. An uncontended lock, and an unlock, is one
//! exchange. `LOCKED` is set by whoever takes the lock; `WAITING` changes under the queue's lock alone.
//!
//! Whoever unlocks with `WAITING` set wakes the first waiter, which tries again: meanwhile another may be faster, and on the
//! whole more gets done. A waiter that has lost like that for [`PATIENCE`] says so with its tag, and is *handed* the lock: it
//! stays locked, and nobody can be faster. So nobody starves. (The scheme is that of parking_lot, and before it WebKit's
//! `WTF::Lock`.)
//!
//! **No wake-up is lost**: a waiter sets `WAITING` under the queue's lock, by an exchange that fails if the lock has become free
//! meanwhile; after that an unlock finds the bit, takes the queue's lock, and finds the waiter.

use std::time::{Duration, Instant};

use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicU8, Ordering};
use crate::primitive::const_fn;
use crate::wait::{Token, Wait, WaitQueue, Waited};

const LOCKED: u8 = 1;
const WAITING: u8 = 2;

/// How long a waiter lets others overtake it.
const PATIENCE: Duration = if cfg!(greenhub_loom) {
    // A model must not depend on the clock.
    Duration::MAX
} else {
    Duration::from_micros(500)
};

/// The tag of a waiter that wants the lock handed to it.
const STARVING: usize = 1;

/// A lock without what it guards.
#[derive(Debug)]
pub(crate) struct Lock {
    state: AtomicU8,
    queue: WaitQueue<()>,
}

impl Lock {
    const_fn! {
        /// Free.
        pub(crate) fn new() -> Lock {
            Lock {
                state: AtomicU8::new(0),
                queue: WaitQueue::new(()),
            }
        }
    }

    /// Takes it if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & LOCKED == 0 {
            // Acquire pairs with the release of the last unlock.
            match self.state.compare_exchange_weak(
                state,
                state | LOCKED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes it if it is free and nobody waits: the first thing that `lock` tries.
    #[inline(always)]
    pub(crate) fn lock_fast(&self) -> bool {
        self.state
            .compare_exchange_weak(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits for it until the deadline: `false` if that has passed.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn lock_slow(&self, deadline: Option<Instant>) -> bool {
        let mut began = None;
        loop {
            if self.try_lock() {
                return true;
            }
            let wait = self.next_wait(&mut began, deadline);
            match self.queue.wait(wait, |_, _| self.announce(), |_| ()) {
                Waited::Completed(Token::Given) => return true,
                Waited::TimedOut => return self.try_lock(),
                _ => {}
            }
        }
    }

    /// The first wait is behind the others; one that was woken in vain goes before them.
    #[inline(never)]
    fn next_wait(&self, began: &mut Option<Instant>, deadline: Option<Instant>) -> Wait {
        let mut wait = Wait::new(WaitKind::Lock, deadline);
        match *began {
            None => *began = Some(Instant::now()),
            Some(began) => {
                wait.at_front = true;
                if began.elapsed() >= PATIENCE {
                    wait.tag = STARVING;
                }
            }
        }
        wait
    }

    /// Under the queue's lock: sets `WAITING`, or finds the lock free.
    fn announce(&self) -> Option<()> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & LOCKED == 0 {
                return Some(());
            }
            match self.state.compare_exchange_weak(
                state,
                state | WAITING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return None,
                Err(now) => state = now,
            }
        }
    }

    /// Frees it. The caller must have it.
    #[inline(always)]
    pub(crate) fn unlock(&self) {
        // Release publishes what was done under the lock.
        if self
            .state
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            self.unlock_slow(false);
        }
    }

    /// Frees it; whoever waits longest gets it before anybody else can.
    #[inline]
    pub(crate) fn unlock_fair(&self) {
        if self
            .state
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            self.unlock_slow(true);
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_slow(&self, fair: bool) {
        let mut queue = self.queue.lock();
        while let Some(first) = queue.first() {
            if fair || first.tag() == STARVING {
                // The word stays as it is, `LOCKED | WAITING`: from here on it is the waiter's.
                if first.complete(Token::Given) {
                    return;
                }
            } else if first.complete(Token::Retry) {
                break;
            }
        }
        // Only the holder, the caller, clears `LOCKED`; and only under the queue's lock does `WAITING` change. So nothing of the
        // word has changed, and a plain store does.
        let waiting = if queue.is_empty() { 0 } else { WAITING };
        self.state.store(waiting, Ordering::Release);
    }

    /// Somebody has it.
    #[inline]
    pub(crate) fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & LOCKED != 0
    }
}
