//! A runtime's end: what waits is unwound, what has not begun is dropped, whatever the destructors do.

mod common;

use std::time::Duration;

use common::{Gate, Kind, LIMIT, OnDrop, Tally, Watchdog, eventually, runtime, until_parked};
use greenhub::runtime::{Handle, Runtime};

/// Long enough for others to do something, short enough to be waited for often.
const MOMENT: Duration = Duration::from_micros(50);

/// Runs the scenario on runtimes of each size.
fn on_each(scenario: fn(usize, Runtime)) {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        scenario(hubs, runtime(hubs));
    }
}

#[test]
fn a_capture_that_joins_when_it_is_dropped_does_not_hold_up_the_shutdown() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(1);
    runtime.run(|| {
        let parked = greenhub::spawn(greenhub::park);
        until_parked(parked.greenlet());
        let mut parked = Some(parked);
        let joins = OnDrop(move || drop(parked.take().map(|parked| parked.join())));
        drop(greenhub::spawn_after(
            Duration::from_secs(3_600),
            move || drop(joins),
        ));
    });
    assert!(runtime.shutdown_timeout(Duration::from_secs(20)));
}

#[test]
fn an_endless_computation_is_reported_by_shutdown_timeout() {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        let runtime = runtime(hubs);
        let (spins, stop) = (Gate::new(), Gate::new());
        let spinner = runtime.spawn({
            let (spins, stop) = (spins.clone(), stop.clone());
            move || {
                spins.open();
                stop.pass_blocking();
            }
        });
        spins.pass();
        assert!(!runtime.shutdown_timeout(Duration::from_millis(5)));
        stop.open();
        spinner.join().unwrap();
    }
}

#[test]
fn spawning_into_a_runtime_that_has_ended_gives_a_killed_greenlet() {
    on_each(|_, runtime| {
        let handle = runtime.handle();
        drop(runtime);
        let drops = Tally::new();
        for spawn in [Handle::spawn, Handle::spawn_compute] {
            let held = drops.on_drop();
            let late = spawn(&handle, move || drop(held));
            assert!(late.join().unwrap_err().is_killed());
        }
        assert_eq!(drops.get(), 2);
        assert_eq!(handle.metrics().alive(), 0);
    });
}

#[test]
fn a_drop_runs_the_destructors_of_all_that_wait() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let runtime = runtime(hubs);
        let drops = Tally::new();
        let handles = runtime.run(|| {
            let waits: [fn(); 5] = [
                || greenhub::park(),
                || greenhub::sleep(Duration::MAX),
                || drop(greenhub::spawn(greenhub::park).join()),
                || greenhub::scope(|s| drop(s.spawn(greenhub::park))),
                || drop(greenhub::as_completed([greenhub::spawn(greenhub::park)]).next()),
            ];
            let handles = waits.map(|wait| {
                let held = drops.on_drop();
                kind.spawn(move || {
                    let _held = held;
                    wait();
                    // In case the end of the other came first.
                    greenhub::park();
                })
            });
            for handle in &handles {
                until_parked(handle.greenlet());
            }
            handles
        });
        assert_eq!(drops.get(), 0);
        drop(runtime);
        assert_eq!(drops.get(), 5);
        for handle in handles {
            assert!(handle.join().unwrap_err().is_killed());
        }
    }
}

#[test]
fn destructors_may_do_anything_during_a_shutdown() {
    let _watchdog = Watchdog::new();
    for round in 0..300 {
        let (hubs, kind) = ([1, 2, 4][round % 3], Kind::BOTH[round / 3 % 2]);
        let runtime = runtime(hubs);
        let (drops, spawned) = (Tally::new(), Tally::new());
        runtime.run(|| {
            let friend = kind.spawn(greenhub::park);
            let friend = friend.greenlet().clone();
            for i in 0..12 {
                let (drops, spawned, friend) = (drops.clone(), spawned.clone(), friend.clone());
                let busy = OnDrop(move || {
                    let held = spawned.on_drop();
                    match i % 6 {
                        0 => drop(greenhub::spawn(move || drop(held))),
                        1 => friend.unpark(),
                        2 => greenhub::yield_now(),
                        3 => greenhub::sleep(Duration::from_micros(50)),
                        4 => drop(kind.spawn(move || drop(held)).join_timeout(MOMENT)),
                        _ => greenhub::park_timeout(MOMENT),
                    }
                    drops.add();
                });
                let waits = kind.spawn(move || {
                    let _busy = busy;
                    greenhub::park();
                });
                // Some have begun, some have not.
                if i % 4 > 0 {
                    until_parked(waits.greenlet());
                }
            }
        });
        if round % 2 == 0 {
            drop(runtime);
        } else {
            assert!(runtime.shutdown_timeout(LIMIT));
        }
        assert_eq!((drops.get(), spawned.get()), (12, 12), "round {round}");
    }
}

#[test]
fn a_runtime_that_is_dropped_by_its_own_greenlet_ends() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let runtime = runtime(hubs);
        let (handle, drops) = (runtime.handle(), Tally::new());
        let (beside, suicide) = runtime.run(|| {
            let held = drops.on_drop();
            let beside = kind.spawn(move || {
                let _held = held;
                greenhub::park();
            });
            until_parked(beside.greenlet());
            (beside, kind.spawn(greenhub::park))
        });
        let last = handle.spawn(move || {
            drop(runtime);
            5
        });
        // It goes on to its end, as it meets no wait.
        assert_eq!(last.join().unwrap(), 5);
        assert!(beside.join().unwrap_err().is_killed());
        assert!(suicide.join().unwrap_err().is_killed());
        assert_eq!(drops.get(), 1);
        eventually("all have gone", || handle.metrics().alive() == 0);
    }
}

#[test]
fn shutdown_timeout_ends_what_can_be_ended() {
    on_each(|_, runtime| {
        let parked: Vec<_> = (0..20).map(|_| runtime.spawn(greenhub::park)).collect();
        assert!(runtime.shutdown_timeout(LIMIT));
        for parked in parked {
            assert!(parked.join().unwrap_err().is_killed());
        }
    });
    on_each(|_, runtime| assert!(runtime.shutdown_timeout(LIMIT)));
}

#[test]
fn a_shutdown_races_with_spawners_and_loses_nothing() {
    let _watchdog = Watchdog::new();
    for round in 0..100 {
        let runtime = runtime([1, 2, 4][round % 3]);
        let (drops, stop) = (Tally::new(), Gate::new());
        let spawners: Vec<_> = (0..2)
            .map(|_| {
                let (handle, drops, stop) = (runtime.handle(), drops.clone(), stop.clone());
                std::thread::spawn(move || {
                    let mut spawned = 0;
                    // Goes on for a while after the end.
                    let mut left = 50;
                    while left > 0 {
                        left -= usize::from(stop.is_open());
                        let held = drops.on_drop();
                        let body = move || {
                            let _held = held;
                            greenhub::park();
                        };
                        match spawned % 3 {
                            0 => drop(handle.spawn(body)),
                            1 => drop(handle.spawn_compute(body)),
                            _ => drop(handle.spawn(move || drop(greenhub::spawn(body)))),
                        }
                        spawned += 1;
                    }
                    spawned
                })
            })
            .collect();
        eventually("some are spawned", || runtime.metrics().spawned() > 20);
        drop(runtime);
        stop.open();
        let spawned: usize = spawners.into_iter().map(|t| t.join().unwrap()).sum();
        eventually("all are dropped", || drops.get() == spawned);
    }
}
