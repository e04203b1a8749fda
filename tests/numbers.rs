//! Numbers at the ends of their ranges are refused where they are given, or mean what they say.

mod common;

use std::time::{Duration, Instant};

use common::{Kind, OnDrop, Watchdog, eventually, everywhere, panic_of, until_parked_in};
use greenhub::pool::Pool;
use greenhub::time::{MissedTickBehavior, interval, interval_at};
use greenhub::{JoinHandle, sleep, sleep_until, spawn_after, timeout};

const HUGE: [usize; 5] = [
    usize::MAX,
    usize::MAX - 1,
    1 << (usize::BITS - 1),
    (1 << (usize::BITS - 1)) - 1,
    usize::MAX / 3,
];

/// So long that no clock reaches it: some are beyond the end of `Instant`, some not.
const AGES: [Duration; 5] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(i64::MAX as u64 / 2),
    Duration::from_nanos(u64::MAX),
];

/// On an OS thread, and on greenlets of both kinds.
fn on_all(scenario: fn()) {
    let _watchdog = Watchdog::new();
    scenario();
    for kind in Kind::BOTH {
        common::runtime(1).run(|| kind.spawn(scenario).join().unwrap());
    }
}

/// On the old code `imap` of a pool of at least half of all numbers yielded nothing in release, and panicked in debug; so did `spawn` in
/// debug.
#[test]
fn a_pool_may_be_as_large_as_one_likes() {
    everywhere(|_| {
        for size in HUGE {
            let pool = Pool::new(size);
            assert_eq!(
                (pool.size(), pool.free_count(), pool.len()),
                (size, size, 0)
            );
            assert_eq!(pool.spawn(|| 5).join().unwrap(), 5);
            assert_eq!(
                pool.try_spawn(|| 5).map(|one| one.join().unwrap()).ok(),
                Some(5)
            );
            let values: Vec<_> = pool.imap(0..1000, |i| i).map(Result::unwrap).collect();
            assert!(values.into_iter().eq(0..1000));
            let mut values: Vec<_> = pool
                .imap_unordered(0..1000, |i| i)
                .map(Result::unwrap)
                .collect();
            values.sort_unstable();
            assert!(values.into_iter().eq(0..1000));
            assert_eq!(pool.map(0..10, |i| i).len(), 10);
            let lasting = pool.spawn(greenhub::park);
            eventually("the others are gone", || pool.free_count() == size - 1);
            lasting.kill();
            pool.join();
            assert!(pool.is_empty());
        }
        assert!(panic_of(|| Pool::new(0)).contains("one greenlet"));
    });
}

/// Of a pool that is never full, the greenlets have their turn before the iterator ends: on one hub, too.
#[test]
fn an_endless_iterator_does_not_keep_the_consumer_of_a_huge_pool() {
    everywhere(|_| {
        for size in [1 << 20, usize::MAX] {
            let pool = Pool::new(size);
            let mut results = pool.imap(0_u64.., |i| i);
            for i in 0..500 {
                assert_eq!(results.next().unwrap().unwrap(), i);
            }
            drop(results);
            let results = pool.imap_unordered(0_u64.., |i| i);
            assert_eq!(results.take(500).map(Result::unwrap).count(), 500);
            pool.join();
        }
    });
}

#[test]
fn what_lasts_for_ages_is_broken_off() {
    on_all(|| {
        for age in AGES {
            let begins = Instant::now();
            let waits: [&dyn Fn(); 5] = [
                &|| sleep(age),
                &|| {
                    sleep_until(
                        begins
                            .checked_add(age)
                            .unwrap_or(begins + Duration::from_secs(1 << 40)),
                    )
                },
                &|| {
                    let mut ticks = interval(age);
                    assert!(ticks.tick() >= begins);
                    ticks.tick();
                },
                &|| {
                    let mut ticks = interval(Duration::from_millis(1));
                    ticks.reset_after(age);
                    ticks.tick();
                },
                &|| greenhub::park_timeout(age),
            ];
            for wait in waits {
                assert!(timeout(Duration::from_millis(1), wait).is_err(), "{age:?}");
            }
        }
    });
}

#[test]
fn a_limit_of_ages_is_none() {
    on_all(|| {
        for age in AGES {
            assert_eq!(
                timeout(age, || {
                    sleep(Duration::from_micros(10));
                    let one = greenhub::spawn(|| 5);
                    one.join_timeout(age).map_err(drop).unwrap().unwrap()
                }),
                Ok(5)
            );
            // An inner limit counts all the same.
            let inner = timeout(age, || timeout(Duration::ZERO, || sleep(age)));
            assert!(inner.unwrap().is_err());
        }
    });
}

#[test]
fn what_begins_in_ages_can_be_killed_and_ends_with_its_runtime() {
    on_all(|| {
        for age in AGES {
            let later = spawn_after(age, || ());
            assert!(!later.is_finished());
            let later = later.join_timeout(Duration::from_millis(1)).unwrap_err();
            later.kill();
            assert!(later.join().unwrap_err().is_killed());
        }
    });
    let runtime = common::runtime(2);
    let later: Vec<JoinHandle<()>> = runtime.run(|| AGES.map(|age| spawn_after(age, || ())).into());
    drop(runtime);
    for one in later {
        assert!(one.join().unwrap_err().is_killed());
    }
}

#[test]
fn what_sleeps_for_ages_keeps_no_other_timer_from_its_time() {
    everywhere(|kind| {
        let sleepers: Vec<_> = AGES
            .map(|age| kind.spawn(move || sleep(age)))
            .into_iter()
            .collect();
        sleepers
            .iter()
            .for_each(|one| until_parked_in(one.greenlet(), "sleep"));
        let began = Instant::now();
        sleep(Duration::from_millis(2));
        assert!(began.elapsed() >= Duration::from_millis(2));
        for one in sleepers {
            one.kill();
            assert!(one.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn what_is_long_past_is_due_at_once() {
    on_all(|| {
        let now = Instant::now();
        for past in [1 << 20, 1 << 40, 1 << 60].map(Duration::from_secs) {
            // Not every clock goes back so far.
            let Some(past) = now.checked_sub(past) else {
                continue;
            };
            sleep_until(past);
            for (behavior, period) in [
                (MissedTickBehavior::Burst, Duration::from_nanos(1)),
                (MissedTickBehavior::Delay, Duration::from_secs(1 << 40)),
                (MissedTickBehavior::Skip, Duration::from_nanos(1)),
                (MissedTickBehavior::Skip, Duration::from_secs(1 << 30)),
            ] {
                let mut ticks = interval_at(past, period);
                ticks.set_missed_tick_behavior(behavior);
                assert_eq!(ticks.tick(), past);
            }
        }
        for zero in [
            panic_of(|| interval(Duration::ZERO)),
            panic_of(|| interval_at(now, Duration::ZERO)),
        ] {
            assert!(zero.contains("must not be zero"), "{zero}");
        }
    });
}

/// The ticks that are skipped are whole periods, also where those are longer than a word of nanoseconds tells. On the old code the
/// tick after the first was due at no multiple of the period.
#[test]
fn a_skip_of_centuries_keeps_step() {
    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    let period = century * 10;
    let now = Instant::now();
    let Some(start) = now.checked_sub(period + century * 9) else {
        return;
    };
    let mut ticks = interval_at(start, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    assert_eq!(ticks.tick(), start);
    let next = format!("{ticks:?}");
    assert!(
        next.contains(&format!("{:?}", start + period * 2)),
        "{next}"
    );
}

/// A refused number costs nothing: what was to run is dropped, once.
#[test]
fn a_stack_out_of_range_is_refused_where_it_is_given() {
    everywhere(|kind| {
        let sizes = [0, 1, (1 << 30) + 1, usize::MAX - 1, usize::MAX];
        for bytes in HUGE.into_iter().chain(sizes) {
            let tally = common::Tally::new();
            let (in_closure, in_scope) = (tally.on_drop(), tally.on_drop());
            let builder = || kind.builder().stack_size(bytes);
            let refused = builder().spawn(move || drop(in_closure)).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
            greenhub::scope(|s| {
                let _also_then = OnDrop(|| ());
                let refused = builder()
                    .spawn_scoped(s, move || drop(in_scope))
                    .unwrap_err();
                assert!(refused.to_string().contains(&bytes.to_string()));
            });
            assert_eq!(tally.get(), 2);
        }
    });
}
