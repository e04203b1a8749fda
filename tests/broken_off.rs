//! Calls that wait for many, broken off by kills and by time limits at any moment: what they have left with others is taken back,
//! nothing that was completed is lost, and nothing is done twice.

mod common;

use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::{Gate, Kind, Tally, Watchdog, eventually, everywhere};
use greenhub::pool::Pool;
use greenhub::time::{Interval, interval};
use greenhub::{Greenlet, as_completed, block_on, catch_kill, offload, timeout};

/// From no time at all to some that lets the call end.
fn limits() -> impl Iterator<Item = Duration> + Clone {
    (0..40).map(|i| Duration::from_micros(i * i / 2))
}

/// Calls `step` until it says that all is done, within limits of every length, and now and then killed by a neighbour.
fn insist(mut step: impl FnMut() -> bool) {
    let me = greenhub::current();
    let killer = Killer::of(me);
    let mut limits = limits().cycle();
    loop {
        let limit = limits.next().unwrap_or_default();
        let broken_off = catch_kill(|| timeout(limit, &mut step));
        if let Ok(Ok(true)) = broken_off {
            break;
        }
    }
    // A kill may be due that nothing has delivered.
    drop(killer);
    let _last = catch_kill(greenhub::yield_now);
}

/// Kills a greenlet again and again, from an OS thread.
struct Killer(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Killer {
    fn of(victim: Greenlet) -> Killer {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut pause = Duration::from_micros(1);
            while !is_over.load(Ordering::Acquire) {
                victim.kill();
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(2));
            }
        });
        Killer(over, Some(thread))
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        if let Some(thread) = self.1.take() {
            thread.join().unwrap();
        }
    }
}

/// Takes some time, in one of several ways.
fn work(i: u64) {
    match i % 4 {
        0 => {}
        1 => greenhub::yield_now(),
        2 => greenhub::sleep(Duration::from_micros(i % 90)),
        _ => (0..i % 7).for_each(|_| greenhub::yield_now()),
    }
}

/// On the old code a kill between the announcement of an end and the greenlet's last steps lost the result.
#[test]
fn imap_loses_no_result_and_repeats_none() {
    everywhere(|_| {
        for size in [1, 3] {
            let pool = Pool::new(size);
            let mut seen = Vec::new();
            let mut results = pool.imap(0..60, |i| {
                work(i);
                i
            });
            insist(|| {
                for result in results.by_ref() {
                    seen.push(result.unwrap());
                }
                true
            });
            assert!(seen.iter().copied().eq(0..60), "{seen:?}");
            let mut seen = HashSet::new();
            let mut results = pool.imap_unordered(0..60, |i| {
                work(i);
                i
            });
            insist(|| {
                for result in results.by_ref() {
                    assert!(seen.insert(result.unwrap()), "twice");
                }
                true
            });
            assert_eq!(seen.len(), 60);
            assert_eq!(pool.free_count(), size);
        }
    });
}

#[test]
fn as_completed_loses_no_result_and_repeats_none() {
    everywhere(|kind| {
        let mut results = as_completed((0..100).map(|i| {
            kind.spawn(move || {
                work(i);
                i
            })
        }));
        let mut seen = HashSet::new();
        insist(|| {
            for result in &mut results {
                assert!(seen.insert(result.unwrap()), "twice");
            }
            true
        });
        assert_eq!(seen.len(), 100);
        assert_eq!(results.len(), 0);
    });
}

/// Who gave up waiting is woken by nobody for it, and may wait again.
#[test]
fn as_completed_leaves_nobody_behind_who_is_broken_off() {
    everywhere(|kind| {
        let gate = Gate::new();
        let passes = gate.clone();
        let mut results = as_completed([kind.spawn(move || passes.pass())]);
        for _ in 0..100 {
            assert!(timeout(Duration::from_micros(5), || results.next()).is_err());
        }
        gate.open();
        assert!(results.next().unwrap().is_ok());
        assert!(results.next().is_none());
    });
}

/// The value comes, or is dropped where it was made: once.
#[test]
fn an_offloaded_call_is_returned_or_dropped_once() {
    everywhere(|kind| {
        let (made, dropped) = (Tally::new(), Tally::new());
        for limit in limits() {
            let (made, counts) = (made.clone(), dropped.clone());
            let call = move || {
                made.add();
                std::thread::sleep(limit / 3);
                counts.on_drop()
            };
            let victim = kind.spawn(move || timeout(limit, || offload(call)).map(drop));
            if limit.subsec_micros() % 3 == 0 {
                victim.kill();
            }
            let _whatever = victim.join();
        }
        eventually("each has been dropped", || made.get() == dropped.get());
    });
}

/// The future is dropped with the wait, once, and its waker may be called ever after.
#[test]
fn a_future_that_is_broken_off_is_dropped_and_its_waker_stays_good() {
    everywhere(|_| {
        let (dropped, polled) = (Tally::new(), Tally::new());
        let mut wakers: Vec<Waker> = Vec::new();
        for (i, limit) in limits().enumerate() {
            let on_drop = dropped.on_drop();
            let result = timeout(limit, || {
                let future = poll_fn(|context| {
                    let _moved_in = &on_drop;
                    polled.add();
                    wakers.push(context.waker().clone());
                    if i % 2 == 0 {
                        context.waker().wake_by_ref();
                    }
                    Poll::<()>::Pending
                });
                block_on(future);
            });
            assert!(result.is_err());
            drop(on_drop);
            wakers.drain(..).for_each(Waker::wake);
        }
        assert_eq!(dropped.get(), 40);
        assert!(polled.get() >= 40);
    });
}

/// On the old code it spun on an OS thread beyond any limit.
#[test]
fn a_future_that_wakes_itself_is_broken_off_on_a_thread_as_well() {
    let _watchdog = Watchdog::new();
    let wakes_itself = || {
        poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    };
    assert!(timeout(Duration::from_millis(2), || block_on(wakes_itself())).is_err());
    for kind in Kind::BOTH {
        let runtime = common::runtime(1);
        runtime.run(|| {
            let spins =
                kind.spawn(move || timeout(Duration::from_millis(2), || block_on(wakes_itself())));
            assert!(spins.join().unwrap().is_err());
            // It lets others run, and timers fire: here one kills it.
            let spins = kind.spawn(move || block_on(wakes_itself()));
            greenhub::sleep(Duration::from_millis(1));
            spins.kill();
            assert!(spins.join().unwrap_err().is_killed());
        });
    }
}

/// No tick is lost or comes twice.
#[test]
fn an_interval_that_is_broken_off_comes_to_the_same_tick() {
    everywhere(|_| {
        let period = Duration::from_micros(30);
        let mut ticks: Interval = interval(period);
        let first = ticks.tick();
        let mut due: Vec<Instant> = Vec::new();
        insist(|| {
            while due.len() < 50 {
                due.push(ticks.tick());
            }
            true
        });
        for (n, tick) in (1..).zip(due) {
            assert_eq!(tick, first + period * n);
        }
    });
}

/// A slot that is waited for is taken once or not at all.
#[test]
fn a_wait_for_a_slot_that_is_broken_off_keeps_none() {
    everywhere(|_| {
        let (pool, ran) = (Pool::new(2), Arc::new(AtomicUsize::new(0)));
        let spawned = Cell::new(0);
        insist(|| {
            while spawned.get() < 100 {
                let ran = Arc::clone(&ran);
                let _detached = pool.spawn(move || {
                    work(5);
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                spawned.set(spawned.get() + 1);
            }
            true
        });
        insist(|| {
            pool.join();
            true
        });
        assert_eq!(pool.free_count(), 2);
        assert_eq!(ran.load(Ordering::Relaxed), 100);
    });
}
