//! The protocol of [`RwLock`](super::RwLock).
//!
//! One word: `WRITER`, `WAITING` while somebody is in the queue, and the number of readers above them. Who finds `WAITING` set
//! waits, too: so readers that come one after the other cannot starve a writer. Whoever frees the lock for those who wait
//! *hands* it to the first writer, or to all readers before the next writer.
//!
//! Under the queue's lock, and there alone, `WAITING` changes, and the lock is handed over. **No wake-up is lost**: a waiter sets
//! `WAITING` by an exchange that fails if the holders have changed; the last holder to leave after that finds the bit, takes
//! the queue's lock, and grants. A waiter that withdraws grants, too: those behind it may be able to go on.
//!
//! **Everybody has what it asked for**: the share that `grant` adds to the word is the share of the waiter that it then
//! completes. If that one has withdrawn the share is taken back, and whoever is first then is looked at anew.

use std::time::Instant;

use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::const_fn;
use crate::wait::{Locked, Token, Wait, WaitQueue, Waited};

const WRITER: usize = 1;
const WAITING: usize = 2;
const READER: usize = 4;

/// What somebody wants of the lock, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Read,
    Write,
}

impl Share {
    fn tag(self) -> usize {
        match self {
            Share::Read => READER,
            Share::Write => WRITER,
        }
    }

    fn of_tag(tag: usize) -> Share {
        if tag == WRITER {
            Share::Write
        } else {
            Share::Read
        }
    }

    /// What the word becomes with one more of this kind; `None`: that cannot be now. More readers than the word can count
    /// wait, as a writer would: this is called where nothing may panic.
    fn added(self, word: usize) -> Option<usize> {
        match self {
            Share::Read if word & WRITER == 0 => word.checked_add(READER),
            Share::Write if word & !WAITING == 0 => Some(word | WRITER),
            _ => None,
        }
    }
}

/// A lock without what it guards.
#[derive(Debug)]
pub(crate) struct SharedLock {
    word: AtomicUsize,
    queue: WaitQueue<()>,
}

impl SharedLock {
    const_fn! {
        /// Free.
        pub(crate) fn new() -> SharedLock {
            SharedLock {
                word: AtomicUsize::new(0),
                queue: WaitQueue::new(()),
            }
        }
    }

    /// Takes it if that can be now and nobody waits.
    #[inline]
    pub(crate) fn try_lock(&self, share: Share) -> bool {
        self.try_lock_if(share, |word| word & WAITING == 0)
    }

    /// Takes it for reading whoever waits, for one who reads already.
    #[inline]
    pub(crate) fn try_read_recursive(&self) -> bool {
        self.try_lock_if(Share::Read, |word| word & WAITING == 0 || word >= READER)
    }

    #[inline]
    fn try_lock_if(&self, share: Share, fair: impl Fn(usize) -> bool) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(next) = share.added(word).filter(|_| fair(word)) {
            // Acquire pairs with the releases of those who left.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Waits for it until the deadline: `false` if that has passed.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn lock_slow(&self, share: Share, deadline: Option<Instant>) -> bool {
        let mut wait = Wait::new(WaitKind::Lock, deadline);
        wait.tag = share.tag();
        let look = |_: &mut Locked<'_, ()>, _: &_| self.announce(share);
        !matches!(
            self.queue.wait(wait, look, |queue| self.grant(queue)),
            Waited::TimedOut
        )
    }

    /// Under the queue's lock: sets `WAITING`, or takes the lock.
    fn announce(&self, share: Share) -> Option<()> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let taken = share.added(word).filter(|_| word & WAITING == 0);
            match self.word.compare_exchange_weak(
                word,
                taken.unwrap_or(word | WAITING),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return taken.map(|_| ()),
                Err(now) => word = now,
            }
        }
    }

    /// Gives up what the caller has.
    #[inline]
    pub(crate) fn unlock(&self, share: Share) {
        // Release publishes what was done under the lock; acquire, for who hands it on, takes in what other readers did.
        let left = self.word.fetch_sub(share.tag(), Ordering::AcqRel) - share.tag();
        if left == WAITING {
            self.unlock_slow();
        }
    }

    /// The caller writes, and from now on reads.
    pub(crate) fn downgrade(&self) {
        let before = self.word.fetch_add(READER - WRITER, Ordering::AcqRel);
        if before & WAITING != 0 {
            self.unlock_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_slow(&self) {
        self.grant(&mut self.queue.lock());
    }

    /// Under the queue's lock: hands the lock to those who come first, as far as that can be.
    fn grant(&self, queue: &mut Locked<'_, ()>) {
        loop {
            let Some(first) = queue.first() else {
                self.word.fetch_and(!WAITING, Ordering::Relaxed);
                return;
            };
            let share = Share::of_tag(first.tag());
            if !self.add(share) {
                return;
            }
            if !first.complete(Token::Given) {
                // It has withdrawn meanwhile, and the next may want something else.
                self.word.fetch_sub(share.tag(), Ordering::Relaxed);
            }
        }
    }

    fn add(&self, share: Share) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(next) = share.added(word) {
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Somebody has it.
    pub(crate) fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & !WAITING != 0
    }

    /// A writer has it.
    pub(crate) fn is_written(&self) -> bool {
        self.word.load(Ordering::Relaxed) & WRITER != 0
    }
}

#[cfg(all(test, not(greenhub_loom)))]
mod tests {
    use super::*;

    /// Forgotten guards can make as many readers as one likes.
    #[test]
    fn one_reader_too_many_waits_and_does_not_panic() {
        let lock = SharedLock::new();
        let most = usize::MAX / READER;
        lock.word.store(most * READER, Ordering::Relaxed);
        assert!(!lock.try_lock(Share::Read));
        assert!(!lock.try_read_recursive());
        assert!(!lock.lock_slow(Share::Read, Some(Instant::now())));
        lock.unlock(Share::Read);
        assert!(lock.try_lock(Share::Read), "there is room for one");
        assert!(!lock.try_lock(Share::Read));
    }
}
