//! Locks and the like, on greenlets of both kinds and OS threads together.

mod common;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Gate, Watchdog, everywhere, panic_of, until_parked};
use greenhub::sync::{
    Barrier, Condvar, Event, Mutex, MutexGuard, Once, OnceLock, ReentrantMutex, RwLock,
    RwLockWriteGuard, Semaphore,
};

const MANY: usize = if cfg!(debug_assertions) { 200 } else { 5000 };

/// Greenlets of this kind, and OS threads, run `f`.
fn crowd(kind: common::Kind, f: impl Fn(usize) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let greenlets: Vec<_> = (0..6)
        .map(|number| {
            let f = Arc::clone(&f);
            kind.spawn(move || f(number))
        })
        .collect();
    let threads: Vec<_> = (6..8)
        .map(|number| {
            let f = Arc::clone(&f);
            std::thread::spawn(move || f(number))
        })
        .collect();
    greenlets.into_iter().for_each(|one| one.join().unwrap());
    // On a hub of its own, so that the threads' partners go on.
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        greenhub::yield_now();
    }
    threads.into_iter().for_each(|one| one.join().unwrap());
}

#[test]
fn a_mutex_excludes_even_across_waits() {
    everywhere(|kind| {
        let sum = Arc::new(Mutex::new((0, 0)));
        let shared = Arc::clone(&sum);
        crowd(kind, move |number| {
            for i in 0..MANY {
                let mut sum = shared.lock();
                sum.0 += 1;
                if i % 50 == number {
                    greenhub::yield_now();
                }
                sum.1 += 1;
                assert_eq!(sum.0, sum.1);
            }
        });
        assert_eq!(*sum.lock(), (8 * MANY, 8 * MANY));
    });
}

#[test]
fn nobody_starves_while_another_locks_again_and_again() {
    everywhere(|kind| {
        let lock = Arc::new(Mutex::new(()));
        let done = Gate::new();
        let greedy = {
            let (lock, done) = (Arc::clone(&lock), done.clone());
            kind.spawn(move || {
                while !done.is_open() {
                    let guard = lock.lock();
                    greenhub::yield_now();
                    drop(guard);
                }
            })
        };
        for _ in 0..20 {
            let _guard = lock.lock();
            greenhub::yield_now();
        }
        done.open();
        greedy.join().unwrap();
    });
}

#[test]
fn a_lock_is_tried_for_a_while() {
    everywhere(|kind| {
        let lock = Arc::new(Mutex::new(1));
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock_for(Duration::from_millis(2)).is_none());
        let other = Arc::clone(&lock);
        let patient = kind.spawn(move || other.try_lock_for(Duration::from_secs(60)).map(|v| *v));
        until_parked(patient.greenlet());
        MutexGuard::unlock_fair(guard);
        assert_eq!(patient.join().unwrap(), Some(1));
        let mapped = MutexGuard::map(lock.lock(), |value| value);
        assert_eq!(*mapped, 1);
    });
}

#[test]
#[cfg(debug_assertions)]
fn a_lock_taken_twice_is_found() {
    let message = panic_of(|| {
        greenhub::run(|| {
            let lock = Mutex::new(());
            let _first = lock.lock();
            let _second = lock.lock();
        });
    });
    assert!(message.contains("locked already"), "{message}");
    let lock = Mutex::new(());
    let _first = lock.lock();
    assert!(panic_of(|| drop(lock.lock())).contains("thread"));
}

#[test]
fn a_reentrant_lock_is_its_holders_only() {
    everywhere(|kind| {
        let lock = Arc::new(ReentrantMutex::new(Cell::new(0)));
        let shared = Arc::clone(&lock);
        crowd(kind, move |_| {
            for _ in 0..MANY / 10 {
                let outer = shared.lock();
                let before = outer.get();
                greenhub::yield_now();
                let inner = shared.lock();
                inner.set(before + 1);
            }
        });
        assert_eq!(lock.lock().get(), 8 * (MANY / 10));
    });
}

#[test]
fn a_rwlock_lets_many_read_and_one_write() {
    everywhere(|kind| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let readers = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&lock), Arc::clone(&readers));
        crowd(kind, move |number| {
            for i in 0..MANY / 4 {
                if (i + number) % 4 == 0 {
                    let mut value = shared.write();
                    assert_eq!(counted.load(Ordering::SeqCst), 0);
                    value.0 += 1;
                    greenhub::yield_now();
                    value.1 += 1;
                    let value = RwLockWriteGuard::downgrade(value);
                    assert_eq!(value.0, value.1);
                } else {
                    let value = shared.read();
                    counted.fetch_add(1, Ordering::SeqCst);
                    if i % 16 == 1 {
                        greenhub::yield_now();
                    }
                    assert_eq!(value.0, value.1);
                    counted.fetch_sub(1, Ordering::SeqCst);
                }
            }
        });
        assert_eq!(lock.read().0, 8 * (MANY / 4) / 4);
    });
}

#[test]
fn a_writer_is_not_starved_and_one_that_gives_up_lets_readers_in() {
    everywhere(|kind| {
        let lock = Arc::new(RwLock::new(0));
        let reading = lock.read();
        let (other, third) = (Arc::clone(&lock), Arc::clone(&lock));
        let writer = kind.spawn(move || *other.write() += 1);
        until_parked(writer.greenlet());
        assert!(lock.try_read().is_none(), "a writer waits");
        assert!(lock.try_read_recursive().is_some(), "but we read already");
        let reader = kind.spawn(move || *third.read());
        until_parked(reader.greenlet());
        writer.kill();
        assert!(writer.join().unwrap_err().is_killed());
        assert_eq!(reader.join().unwrap(), 0);
        drop(reading);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn every_notification_of_a_condvar_reaches_one_who_waits() {
    everywhere(|kind| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let ours = Arc::clone(&shared);
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let shared = Arc::clone(&shared);
                kind.spawn(move || {
                    for _ in 0..MANY / 4 {
                        let mut count = shared.0.lock();
                        shared.1.wait_while(&mut count, |count| *count == 0);
                        *count -= 1;
                    }
                })
            })
            .collect();
        for i in 0..(MANY / 4) * 4 {
            *ours.0.lock() += 1;
            ours.1.notify_one();
            if i % 16 == 0 {
                greenhub::yield_now();
            }
        }
        consumers.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(*shared.0.lock(), 0);
        assert!(!shared.1.notify_one());
        assert_eq!(shared.1.notify_all(), 0);
    });
}

#[test]
fn a_condvar_waits_for_a_while() {
    everywhere(|_| {
        let (lock, condvar) = (Mutex::new(1), Condvar::new());
        let mut guard = lock.lock();
        let short = Duration::from_millis(1);
        assert!(condvar.wait_for(&mut guard, short).timed_out());
        assert!(
            condvar
                .wait_while_for(&mut guard, |one| *one == 1, short)
                .timed_out()
        );
        assert!(
            !condvar
                .wait_while_for(&mut guard, |one| *one == 2, short)
                .timed_out()
        );
        *guard += 1;
    });
}

/// The killed one unwinds with the lock, which is held by one who waits, on the same hub.
#[test]
fn a_kill_in_a_condvar_takes_the_lock_before_it_unwinds() {
    everywhere(|kind| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let ours = Arc::clone(&shared);
        let waiter = kind.spawn(move || {
            let mut guard = ours.0.lock();
            ours.1.wait(&mut guard);
        });
        until_parked(waiter.greenlet());
        let guard = shared.0.lock();
        waiter.kill();
        // It wants the lock now, and we go on waiting with it.
        (0..10).for_each(|_| greenhub::yield_now());
        assert!(!waiter.is_finished());
        drop(guard);
        assert!(waiter.join().unwrap_err().is_killed());
        assert!(shared.0.try_lock().is_some());
    });
}

#[test]
fn a_semaphore_bounds_and_serves_in_order() {
    everywhere(|kind| {
        let semaphore = Arc::new(Semaphore::new(3));
        let inside = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&semaphore);
        crowd(kind, move |number| {
            for i in 0..MANY / 4 {
                let wanted = 1 + (i + number) % 3;
                let _permits = shared.acquire_many(wanted);
                assert!(inside.fetch_add(wanted, Ordering::SeqCst) + wanted <= 3);
                if i % 8 == 0 {
                    greenhub::yield_now();
                }
                inside.fetch_sub(wanted, Ordering::SeqCst);
            }
        });
        assert_eq!(semaphore.available_permits(), 3);
        let held = Arc::clone(&semaphore).acquire_owned();
        let other = Arc::clone(&semaphore);
        let greedy = kind.spawn(move || other.acquire_many(3).count());
        until_parked(greedy.greenlet());
        assert!(
            semaphore.try_acquire().is_none(),
            "one who wants more came first"
        );
        assert!(semaphore.acquire_for(Duration::from_millis(1)).is_none());
        drop(held);
        assert_eq!(greedy.join().unwrap(), 3);
        semaphore.acquire().forget();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// One who wants many gives up: those behind it go on.
#[test]
fn a_semaphores_waiter_that_is_killed_lets_those_behind_it_go_on() {
    everywhere(|kind| {
        let semaphore = Arc::new(Semaphore::new(1));
        let (one, other) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
        let greedy = kind.spawn(move || one.acquire_many(5).forget());
        until_parked(greedy.greenlet());
        let modest = kind.spawn(move || other.acquire().forget());
        until_parked(modest.greenlet());
        greedy.kill();
        modest.join().unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn a_barrier_lets_all_go_with_one_leader_each_time() {
    everywhere(|kind| {
        let barrier = Arc::new(Barrier::new(8));
        let leaders = Arc::new(AtomicUsize::new(0));
        let come = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&barrier), Arc::clone(&leaders));
        crowd(kind, move |_| {
            for round in 0..20 {
                come.fetch_add(1, Ordering::SeqCst);
                let result = shared.wait();
                assert!(come.load(Ordering::SeqCst) >= 8 * (round + 1));
                counted.fetch_add(usize::from(result.is_leader()), Ordering::SeqCst);
            }
        });
        assert_eq!(leaders.load(Ordering::SeqCst), 20);
    });
}

#[test]
fn an_event_lets_all_go_and_can_be_cleared() {
    everywhere(|kind| {
        let event = Arc::new(Event::new());
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let event = Arc::clone(&event);
                kind.spawn(move || event.wait())
            })
            .collect();
        waiters.iter().for_each(|one| until_parked(one.greenlet()));
        assert!(!event.wait_timeout(Duration::from_millis(1)));
        event.set();
        event.clear();
        waiters.into_iter().for_each(|one| one.join().unwrap());
        assert!(!event.is_set());
    });
}

#[test]
fn a_value_is_made_once_by_one_that_may_wait() {
    everywhere(|kind| {
        let lock = Arc::new(OnceLock::new());
        let made = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&lock), Arc::clone(&made));
        crowd(kind, move |_| {
            let value = shared.get_or_init(|| {
                greenhub::sleep(Duration::from_millis(2));
                counted.fetch_add(1, Ordering::SeqCst) + 41
            });
            assert_eq!(*value, 41);
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert_eq!(lock.set(5), Err(5));
        let fails: OnceLock<u8> = OnceLock::new();
        assert!(
            panic_of(|| {
                fails.get_or_init(|| panic!("no value"));
            })
            .contains("no value")
        );
        assert_eq!(fails.get_or_init(|| 3), &3);
        assert_eq!(fails.into_inner(), Some(3));
    });
}

#[test]
fn something_is_done_once() {
    let _watchdog = Watchdog::new();
    static ONCE: Once = Once::new();
    static DONE: AtomicUsize = AtomicUsize::new(0);
    greenhub::scope(|s| {
        for _ in 0..10 {
            s.spawn(|| {
                ONCE.call_once(|| {
                    greenhub::yield_now();
                    DONE.fetch_add(1, Ordering::SeqCst);
                });
                assert!(ONCE.is_completed());
            });
        }
    });
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
}
