//! Locks that are released while those who wait for them give up: kills, deadlines and time limits, greenlets of both kinds and
//! OS threads, who want different things of the same lock.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use greenhub::sync::{Mutex, MutexGuard, RwLock, RwLockWriteGuard, Semaphore};
use greenhub::{JoinHandle, catch_kill, timeout};
use support::{KINDS, Random, Watchdog, runtime, times};

/// Greenlets of either kind that are killed all the time, and OS threads, each of which does `act` so many times: a kill, or a
/// time limit, ends an act and no more.
fn storm(rounds: usize, act: impl Fn(&mut Random) + Send + Sync + 'static) {
    let _watchdog = Watchdog::start();
    let runtime = runtime(2);
    let act = Arc::new(act);
    let acts = |seed: u64| {
        let act = Arc::clone(&act);
        move || {
            let mut random = Random::new(seed);
            for _ in 0..rounds {
                let _killed = catch_kill(|| {
                    if random.below(4) == 0 {
                        let _elapsed = timeout(moment(&mut random), || act(&mut random));
                    } else {
                        act(&mut random);
                    }
                });
            }
        }
    };
    let victims: Arc<Vec<JoinHandle<()>>> = Arc::new(runtime.run(|| {
        (0..6)
            .map(|seed| KINDS[seed as usize % 2].spawn(acts(seed)))
            .collect()
    }));
    let threads = [100, 101].map(|seed| thread::spawn(acts(seed)));
    let targets = Arc::clone(&victims);
    let killer = thread::spawn(move || {
        let mut random = Random::new(7);
        while !targets.iter().all(JoinHandle::is_finished) {
            targets[random.below(6) as usize].kill();
            (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
            thread::sleep(moment(&mut random));
        }
    });
    threads.into_iter().for_each(|one| one.join().unwrap());
    killer.join().unwrap();
    let victims = Arc::into_inner(victims).expect("the killer has ended");
    for victim in victims {
        // One that had not begun, or was about to end, is killed for good.
        let ended = victim.join();
        assert!(
            ended.as_ref().err().is_none_or(|error| error.is_killed()),
            "{ended:?}"
        );
    }
}

/// A time limit that often ends as its lock is released.
fn moment(random: &mut Random) -> Duration {
    Duration::from_nanos(random.below(60_000))
}

/// How many are inside, by what they have.
#[derive(Default)]
struct Inside(AtomicUsize);

impl Inside {
    /// One comes in with so many, of which no more than `limit` may be in at once.
    fn enter(&self, many: usize, limit: usize) -> impl Drop + '_ {
        let leaves = Leaves(self, many);
        let inside = self.0.fetch_add(many, Ordering::SeqCst) + many;
        assert!(inside <= limit, "{inside} are inside");
        leaves
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

struct Leaves<'a>(&'a Inside, usize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

/// Stays inside for a while.
fn linger(random: &mut Random) {
    match random.below(8) {
        0 => greenhub::yield_now(),
        n => (0..n * 20).for_each(|_| std::hint::spin_loop()),
    }
}

#[test]
fn a_rwlock_is_whole_after_readers_and_writers_that_gave_up() {
    let shared = Arc::new((RwLock::new(()), Inside::default()));
    let ours = Arc::clone(&shared);
    // A writer counts for as many readers as there can be.
    let all = 100;
    storm(times(60_000, 3000), move |random| {
        let (lock, inside) = &*shared;
        let writes = random.below(2) == 0;
        let limited = random.below(3) == 0;
        if writes {
            let guard = if limited {
                lock.try_write_for(moment(random))
            } else {
                Some(lock.write())
            };
            let Some(guard) = guard else { return };
            let within = inside.enter(all, all);
            linger(random);
            assert!(lock.try_read().is_none(), "one reads beside a writer");
            drop(within);
            if random.below(4) == 0 {
                let guard = RwLockWriteGuard::downgrade(guard);
                let within = inside.enter(1, all - 1);
                linger(random);
                drop((within, guard));
            }
        } else {
            let guard = if limited {
                lock.try_read_for(moment(random))
            } else {
                Some(lock.read())
            };
            if guard.is_some() {
                let _within = inside.enter(1, all - 1);
                linger(random);
            }
        }
    });
    assert!(ours.1.is_empty());
    assert!(
        ours.0.try_write().is_some(),
        "it is locked for ever: {:?}",
        ours.0
    );
}

#[test]
fn a_semaphore_has_its_permits_after_waiters_that_gave_up() {
    let shared = Arc::new((Semaphore::new(3), Inside::default()));
    let ours = Arc::clone(&shared);
    storm(times(60_000, 3000), move |random| {
        let (semaphore, inside) = &*shared;
        let many = [1, 2, 3][random.below(3) as usize];
        let permit = if random.below(3) == 0 {
            semaphore.acquire_many_for(many, moment(random))
        } else {
            Some(semaphore.acquire_many(many))
        };
        if permit.is_some() {
            let _within = inside.enter(many, 3);
            linger(random);
        }
    });
    assert!(ours.1.is_empty());
    assert_eq!(ours.0.available_permits(), 3);
}

#[test]
fn a_mutex_is_free_after_waiters_that_gave_up() {
    let shared = Arc::new((Mutex::new(()), Inside::default()));
    let ours = Arc::clone(&shared);
    storm(times(60_000, 3000), move |random| {
        let (lock, inside) = &*shared;
        let guard = if random.below(3) == 0 {
            lock.try_lock_for(moment(random))
        } else {
            Some(lock.lock())
        };
        if let Some(guard) = guard {
            let within = inside.enter(1, 1);
            linger(random);
            drop(within);
            if random.below(2) == 0 {
                MutexGuard::unlock_fair(guard);
            }
        }
    });
    assert!(ours.1.is_empty());
    assert!(ours.0.try_lock().is_some(), "it is locked for ever");
}
