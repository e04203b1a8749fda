//! `timeout`, `shield` and `catch_kill`.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Gate, Tally, Watchdog, eventually, everywhere, until_parked};
use greenhub::sync::{Condvar, Mutex};
use greenhub::{Elapsed, Killed, catch_kill, shield, sleep, timeout};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(600);

/// On greenlets of both kinds, and on an OS thread.
fn on_all(scenario: fn()) {
    everywhere(|_| greenhub::spawn(|| ()).join().unwrap());
    let _watchdog = Watchdog::new();
    scenario();
    for hubs in [1, 2] {
        let runtime = common::runtime(hubs);
        for kind in common::Kind::BOTH {
            runtime.run(|| kind.spawn(scenario).join()).unwrap();
        }
    }
}

#[test]
fn a_wait_beyond_the_time_ends_with_its_destructors_run() {
    on_all(|| {
        let waits: [fn(); 6] = [
            || sleep(LONG),
            || greenhub::park_timeout(LONG),
            || loop {
                greenhub::park();
            },
            || {
                let never = greenhub::spawn(|| sleep(LONG));
                let greenlet = never.greenlet().clone();
                let _kills = common::OnDrop(move || greenlet.kill());
                drop(never.join());
            },
            || loop {
                sleep(Duration::from_micros(100));
            },
            || sleep(Duration::MAX),
        ];
        for wait in waits {
            let tally = Tally::new();
            let began = Instant::now();
            let result = timeout(SHORT, || {
                let _on_drop = tally.on_drop();
                wait();
            });
            assert_eq!(result, Err(Elapsed));
            assert!(began.elapsed() >= SHORT);
            assert_eq!(tally.get(), 1);
        }
    });
}

#[test]
fn loops_that_only_yield_are_broken_off() {
    everywhere(|kind| {
        kind.spawn(|| {
            let yields = timeout(SHORT, || {
                loop {
                    greenhub::yield_now();
                }
            });
            assert_eq!(yields, Err::<(), _>(Elapsed));
            let checkpoints = timeout(SHORT, || {
                loop {
                    greenhub::checkpoint();
                }
            });
            assert_eq!(checkpoints, Err::<(), _>(Elapsed));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_value_counts_however_late_it_is() {
    on_all(|| {
        let began = Instant::now();
        let value = timeout(SHORT, || {
            while began.elapsed() < 2 * SHORT {
                std::hint::spin_loop();
            }
            5
        });
        assert_eq!(value, Ok(5));
        assert_eq!(timeout(Duration::MAX, || 6), Ok(6));
        assert_eq!(timeout(Duration::ZERO, || 7), Ok(7));
        assert_eq!(timeout(Duration::ZERO, || sleep(LONG)), Err(Elapsed));
    });
}

#[test]
fn of_nested_limits_the_outermost_that_has_passed_ends() {
    on_all(|| {
        // The inner one is shorter.
        let result = timeout(LONG, || timeout(SHORT, || sleep(LONG)));
        assert_eq!(result, Ok(Err(Elapsed)));
        // The outer one is shorter.
        let result = timeout(SHORT, || timeout(LONG, || sleep(LONG)));
        assert_eq!(result, Err(Elapsed));
        // All have passed when it waits.
        let began = Instant::now();
        let reached = AtomicUsize::new(0);
        let result = timeout(SHORT, || {
            let inner = timeout(SHORT, || {
                timeout(SHORT, || {
                    while began.elapsed() < 3 * SHORT {
                        std::hint::spin_loop();
                    }
                    sleep(LONG);
                })
            });
            reached.fetch_add(1, Ordering::Relaxed);
            inner
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(
            reached.load(Ordering::Relaxed),
            0,
            "the inner ones never surface"
        );
    });
}

/// A limit's timer is armed at the first wait. Seen to hang with only the innermost limit's armed then.
#[test]
fn a_limit_is_kept_whenever_the_first_wait_comes() {
    on_all(|| {
        let waited_before = timeout(LONG, || {
            sleep(Duration::from_micros(10));
            timeout(SHORT, || sleep(LONG))
        });
        assert_eq!(waited_before, Ok(Err(Elapsed)));
        let inner_has_ended = timeout(SHORT, || {
            assert_eq!(timeout(LONG, || 5), Ok(5));
            assert_eq!(timeout(LONG, greenhub::yield_now), Ok(()));
            sleep(LONG);
        });
        assert_eq!(inner_has_ended, Err(Elapsed));
        let inner_waits_first = timeout(SHORT, || {
            let inner = timeout(LONG, || sleep(Duration::from_micros(10)));
            assert_eq!(inner, Ok(()));
            sleep(LONG);
        });
        assert_eq!(inner_waits_first, Err(Elapsed));
        let all_are_new = timeout(SHORT, || timeout(LONG, || timeout(LONG, || sleep(LONG))));
        assert_eq!(all_are_new, Err(Elapsed));
    });
}

#[test]
fn one_who_swallows_the_unwinding_is_broken_off_again() {
    on_all(|| {
        let tries = AtomicUsize::new(0);
        let result = timeout(SHORT, || {
            for _ in 0..3 {
                let caught = catch_unwind(AssertUnwindSafe(|| sleep(LONG)));
                assert!(caught.is_err());
                tries.fetch_add(1, Ordering::Relaxed);
            }
            sleep(LONG);
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(tries.load(Ordering::Relaxed), 3);
    });
}

/// What was caught and kept means nothing to a limit that comes later, even if it lies at the same address.
#[test]
fn a_payload_that_was_kept_is_no_later_limits() {
    let limited = |payload: &mut Option<Box<dyn std::any::Any + Send>>| {
        timeout(SHORT, || match payload.take() {
            Some(payload) => std::panic::resume_unwind(payload),
            None => {
                *payload = catch_unwind(|| sleep(LONG)).err();
            }
        })
    };
    let mut payload = None;
    assert_eq!(limited(&mut payload), Ok(()));
    assert!(payload.is_some());
    assert!(catch_unwind(AssertUnwindSafe(|| limited(&mut payload))).is_err());
}

#[test]
fn waits_after_a_limit_are_as_before() {
    on_all(|| {
        for _ in 0..200 {
            let _passed_or_not = timeout(Duration::from_micros(20), || {
                sleep(Duration::from_micros(20))
            });
            let began = Instant::now();
            sleep(Duration::from_micros(50));
            assert!(began.elapsed() >= Duration::from_micros(50));
        }
    });
}

#[test]
fn a_scope_within_a_limit_waits_for_its_greenlets() {
    on_all(|| {
        let done = AtomicUsize::new(0);
        let result = timeout(SHORT, || {
            greenhub::scope(|s| {
                s.spawn(|| {
                    sleep(2 * SHORT);
                    done.fetch_add(1, Ordering::SeqCst);
                });
                sleep(LONG);
            });
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_panic_passes_through() {
    on_all(|| {
        let message = common::panic_of(|| timeout(LONG, || panic!("of its own")));
        assert_eq!(message, "of its own");
    });
}

#[test]
fn a_shield_holds_limits_and_kills_back() {
    on_all(|| {
        let saved = AtomicUsize::new(0);
        let result = timeout(SHORT, || {
            shield(|| {
                sleep(2 * SHORT);
                shield(|| sleep(SHORT));
                sleep(SHORT);
                saved.fetch_add(1, Ordering::Relaxed);
            });
            sleep(LONG);
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(saved.load(Ordering::Relaxed), 1);
    });
    everywhere(|kind| {
        let (inside, gate, saved) = (Gate::new(), Gate::new(), Tally::new());
        let (is_inside, open, counted) = (inside.clone(), gate.clone(), saved.clone());
        let writer = kind.spawn(move || {
            shield(|| {
                is_inside.open();
                open.pass();
                sleep(SHORT);
                counted.add();
            });
            sleep(LONG);
        });
        // A greenlet that is killed before it comes to its shield never runs.
        inside.pass();
        writer.kill();
        gate.open();
        assert!(writer.join().unwrap_err().is_killed());
        assert_eq!(saved.get(), 1);
    });
}

#[test]
fn a_kill_can_be_refused_and_comes_again() {
    everywhere(|kind| {
        let refused = Tally::new();
        let count = refused.clone();
        let stubborn = kind.spawn(move || {
            for _ in 0..3 {
                assert_eq!(catch_kill(|| sleep(LONG)), Err(Killed));
                count.add();
            }
            sleep(SHORT);
            "of its own will"
        });
        for times in 1..=3 {
            until_parked(stubborn.greenlet());
            stubborn.kill();
            eventually("it refuses", || refused.get() == times);
        }
        assert_eq!(stubborn.join().unwrap(), "of its own will");
    });
}

#[test]
fn only_kills_are_caught() {
    on_all(|| {
        assert_eq!(catch_kill(|| 5), Ok(5));
        assert_eq!(
            common::panic_of(|| catch_kill(|| panic!("a panic"))),
            "a panic"
        );
        assert_eq!(timeout(SHORT, || catch_kill(|| sleep(LONG))), Err(Elapsed));
    });
}

#[test]
fn a_kill_goes_before_a_limit_and_a_value_before_a_kill() {
    everywhere(|kind| {
        let limited = kind.spawn(|| timeout(LONG, || sleep(LONG)));
        until_parked(limited.greenlet());
        limited.kill();
        assert!(limited.join().unwrap_err().is_killed());
        let done = kind.spawn(|| {
            catch_kill(|| {
                greenhub::current().kill();
                "done"
            })
        });
        assert_eq!(done.join().unwrap(), Ok("done"));
    });
}

/// A runtime that ends is not held up by one who refuses.
#[test]
fn nobody_refuses_the_end_of_the_runtime() {
    let _watchdog = Watchdog::new();
    for kind in common::Kind::BOTH {
        let runtime = common::runtime(2);
        let refused = Tally::new();
        let count = refused.clone();
        let stubborn = runtime.run(|| {
            kind.spawn(move || {
                assert_eq!(catch_kill(|| sleep(LONG)), Err(Killed));
                count.add();
                sleep(LONG);
            })
        });
        until_parked(stubborn.greenlet());
        drop(runtime);
        assert_eq!(refused.get(), 1);
        assert!(stubborn.join().unwrap_err().is_killed());
    }
}

/// A timeout against the end of a greenlet that is joined: the value is there exactly once.
#[test]
fn ten_thousand_races_of_a_timeout_with_a_join_lose_nothing() {
    const RACES: u64 = if cfg!(debug_assertions) { 500 } else { 10_000 };
    everywhere(|kind| {
        let dropped = Tally::new();
        for race in 0..RACES / 6 {
            let value = dropped.on_drop();
            let mut handle = Some(kind.spawn(move || {
                greenhub::sleep(Duration::from_micros(race % 30));
                Arc::new(value)
            }));
            let joined = timeout(Duration::from_micros(race % 25), || {
                handle.take().unwrap().join()
            });
            drop(joined);
        }
        eventually("each value is dropped once", || {
            dropped.get() as u64 == RACES / 6
        });
    });
}

/// What ends a wait for a condition is delivered with the lock taken: the caller's guard frees it. (Delivered from within the
/// wait, as it was by the yield of a wait without length, it left the guard alive and the lock free in 4 of 10 rounds.)
#[test]
fn the_lock_is_taken_when_a_wait_for_a_condition_unwinds() {
    on_all(|| {
        let (lock, condition) = (Mutex::new(()), Condvar::new());
        for round in 0..2_000 {
            let mut guard = lock.lock();
            let limit = Duration::from_nanos(round % 50 * 100);
            let waited = timeout(limit, || {
                while !condition.wait_for(&mut guard, Duration::ZERO).timed_out() {}
                // If the time is not up yet it soon is.
                condition.wait_for(&mut guard, SHORT)
            });
            assert!(lock.is_locked(), "round {round}: {waited:?}");
            drop(guard);
            assert!(!lock.is_locked());
        }
    });
}
