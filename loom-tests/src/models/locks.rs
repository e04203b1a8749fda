//! `sync/mutex_core.rs`, `sync/rwlock_core.rs` and `sync/semaphore_core.rs`.

use std::time::Instant;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore_within;
use crate::sync::mutex_core::Lock;
use crate::sync::rwlock_core::{Share, SharedLock};
use crate::sync::semaphore_core::Permits;
use crate::wait::Me;

/// A lock, and what it guards: loom finds two that touch it at once, and one that does not see what another did.
struct Guarded<L> {
    lock: L,
    value: UnsafeCell<usize>,
}

// SAFETY: it is what the models are to show.
unsafe impl<L: Sync> Sync for Guarded<L> {}

impl<L> Guarded<L> {
    fn new(lock: L) -> Arc<Guarded<L>> {
        Arc::new(Guarded {
            lock,
            value: UnsafeCell::new(0),
        })
    }

    fn add(&self) {
        // SAFETY: as above.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> usize {
        // SAFETY: as above.
        self.value.with(|value| unsafe { *value })
    }
}

fn lock(lock: &Lock) {
    if !lock.lock_fast() {
        assert!(lock.lock_slow(None));
    }
}

#[test]
fn a_mutex_excludes_and_wakes_whoever_waits() {
    explore_within(3, || {
        let guarded = Guarded::new(Lock::new());
        let threads = [true, false].map(|fair| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || {
                Me::new().enter();
                lock(&guarded.lock);
                guarded.add();
                if fair {
                    guarded.lock.unlock_fair();
                } else {
                    guarded.lock.unlock();
                }
            })
        });
        Me::new().enter();
        lock(&guarded.lock);
        guarded.add();
        guarded.lock.unlock();
        threads.into_iter().for_each(|one| one.join().unwrap());
        lock(&guarded.lock);
        assert_eq!(guarded.get(), 3);
    });
}

/// The holder hands the lock on while the waiter's time ends.
#[test]
fn a_mutex_is_free_after_a_deadline_that_races_with_the_hand_over() {
    explore_within(3, || {
        let guarded = Guarded::new(Lock::new());
        let me = Me::new();
        assert!(guarded.lock.try_lock());
        let (other, timed) = (Arc::clone(&guarded), me.clone());
        let waiter = thread::spawn(move || {
            timed.enter();
            if other.lock.lock_slow(Some(Instant::now())) {
                other.add();
                other.lock.unlock();
            }
        });
        let timer = thread::spawn(move || me.end_time());
        guarded.add();
        guarded.lock.unlock_fair();
        waiter.join().unwrap();
        timer.join().unwrap();
        assert!(guarded.lock.try_lock(), "nobody has it");
    });
}

fn share(lock: &SharedLock, share: Share) {
    if !lock.try_lock(share) {
        assert!(lock.lock_slow(share, None));
    }
}

#[test]
fn a_rwlock_keeps_readers_and_writers_apart_and_wakes_whoever_waits() {
    explore_within(2, || {
        let guarded = Guarded::new(SharedLock::new());
        let reader = Arc::clone(&guarded);
        let reader = thread::spawn(move || {
            Me::new().enter();
            share(&reader.lock, Share::Read);
            assert!(reader.get() <= 2);
            reader.lock.unlock(Share::Read);
        });
        let writer = Arc::clone(&guarded);
        let writer = thread::spawn(move || {
            Me::new().enter();
            share(&writer.lock, Share::Write);
            writer.add();
            writer.lock.downgrade();
            assert!(writer.get() >= 1);
            writer.lock.unlock(Share::Read);
        });
        Me::new().enter();
        share(&guarded.lock, Share::Write);
        guarded.add();
        guarded.lock.unlock(Share::Write);
        reader.join().unwrap();
        writer.join().unwrap();
        assert!(guarded.lock.try_lock(Share::Write));
        assert_eq!(guarded.get(), 2);
    });
}

/// A writer waits behind a reader, and another reader behind the writer, which gives up.
#[test]
fn a_writer_that_gives_up_lets_in_who_waits_behind_it() {
    explore_within(2, || {
        let guarded = Guarded::new(SharedLock::new());
        assert!(guarded.lock.try_lock(Share::Read));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&guarded), me.clone());
        let writer = thread::spawn(move || {
            timed.enter();
            if other.lock.lock_slow(Share::Write, Some(Instant::now())) {
                other.add();
                other.lock.unlock(Share::Write);
            }
        });
        let reader = Arc::clone(&guarded);
        let reader = thread::spawn(move || {
            Me::new().enter();
            share(&reader.lock, Share::Read);
            reader.lock.unlock(Share::Read);
        });
        me.end_time();
        writer.join().unwrap();
        // We read all the time.
        reader.join().unwrap();
        guarded.lock.unlock(Share::Read);
        assert!(guarded.lock.try_lock(Share::Write));
    });
}

/// A writer has the lock; a reader waits whose time ends as that one leaves, and another writer behind it.
#[test]
fn a_reader_that_gives_up_leaves_no_share_to_the_writer_behind_it() {
    explore_within(2, || {
        let guarded = Guarded::new(SharedLock::new());
        assert!(guarded.lock.try_lock(Share::Write));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&guarded), me.clone());
        let reader = thread::spawn(move || {
            timed.enter();
            if other.lock.lock_slow(Share::Read, Some(Instant::now())) {
                assert!(other.get() <= 1);
                other.lock.unlock(Share::Read);
            }
        });
        let writer = Arc::clone(&guarded);
        let writer = thread::spawn(move || {
            Me::new().enter();
            share(&writer.lock, Share::Write);
            writer.add();
            assert!(!writer.lock.try_lock(Share::Read), "one reads beside us");
            writer.lock.unlock(Share::Write);
        });
        me.end_time();
        guarded.lock.unlock(Share::Write);
        writer.join().unwrap();
        reader.join().unwrap();
        assert!(guarded.lock.try_lock(Share::Write), "nobody has it");
        assert_eq!(guarded.get(), 1);
    });
}

/// All three permits come back as the time of one ends who waits for one of them; behind it another waits for all.
#[test]
fn a_waiter_that_gives_up_leaves_no_permits_to_the_one_behind_it() {
    explore_within(2, || {
        let permits = Arc::new(Permits::new(0));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&permits), me.clone());
        let modest = thread::spawn(move || {
            timed.enter();
            if other.acquire(1, Some(Instant::now())) {
                other.release(1);
            }
        });
        let other = Arc::clone(&permits);
        let greedy = thread::spawn(move || {
            Me::new().enter();
            assert!(other.acquire(3, None));
            other.release(3);
        });
        me.end_time();
        assert!(permits.add(3));
        greedy.join().unwrap();
        modest.join().unwrap();
        assert_eq!(permits.available(), 3);
    });
}

/// One wants two, and may give up; another wants one.
#[test]
fn a_semaphores_permits_are_neither_lost_nor_doubled() {
    explore_within(2, || {
        let permits = Arc::new(Permits::new(0));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&permits), me.clone());
        let greedy = thread::spawn(move || {
            timed.enter();
            let acquired = other.acquire(2, Some(Instant::now()));
            if acquired {
                other.release(2);
            }
        });
        let other = Arc::clone(&permits);
        let modest = thread::spawn(move || {
            Me::new().enter();
            assert!(other.acquire(1, None));
            other.release(1);
        });
        assert!(permits.add(1));
        me.end_time();
        modest.join().unwrap();
        greedy.join().unwrap();
        assert_eq!(permits.available(), 1);
    });
}

/// The permit is given at the moment at which its time ends.
#[test]
fn a_permit_that_is_given_too_late_comes_back() {
    explore_within(3, || {
        let permits = Arc::new(Permits::new(0));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&permits), me.clone());
        let waiter = thread::spawn(move || {
            timed.enter();
            if other.acquire(1, Some(Instant::now())) {
                other.release(1);
            }
        });
        let timer = thread::spawn(move || me.end_time());
        assert!(permits.add(1));
        waiter.join().unwrap();
        timer.join().unwrap();
        assert_eq!(permits.available(), 1);
    });
}
