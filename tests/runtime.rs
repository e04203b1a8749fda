//! Runtimes: running in them, several of them, their figures, the global one.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    Gate, Kind, LIMIT, Watchdog, both_kinds_on, eventually, in_child, panic_of, runtime, stderr,
    until_parked,
};
use greenhub::JoinHandle;
use greenhub::runtime::{Handle, HubMetrics, Runtime};

#[test]
fn a_greenlet_that_is_killed_before_its_time_gives_its_place_back() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder().hubs(1).max_greenlets(2).build().unwrap();
    runtime.run(|| {
        let later = greenhub::spawn_after(Duration::from_secs(3_600), || ());
        assert!(greenhub::Builder::new().spawn(|| ()).is_err());
        later.kill();
        assert!(later.join().unwrap_err().is_killed());
        eventually("its place is free", || {
            greenhub::Builder::new().spawn(|| ()).is_ok()
        });
    });
}

/// Runs the scenario on runtimes of each size.
fn on_each(scenario: fn(usize, Runtime)) {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        scenario(hubs, runtime(hubs));
    }
}

#[test]
fn run_borrows_and_returns() {
    on_each(|_, runtime| {
        let (text, mut list) = (String::from("borrowed"), vec![1, 2]);
        let length = runtime.run(|| {
            list.push(3);
            text.len()
        });
        let part: &str = runtime.run(|| &text[..3]);
        assert_eq!((length, list.len(), part), (8, 3, "bor"));
        assert_eq!(greenhub::run(|| text.len()), 8);
    });
}

#[test]
fn run_passes_a_panic_on() {
    on_each(|_, runtime| {
        assert_eq!(
            panic_of(|| runtime.run(|| panic!("on purpose"))),
            "on purpose"
        );
        let thrown = catch_unwind(AssertUnwindSafe(|| runtime.run(|| panic_any(7_u8))));
        assert_eq!(thrown.unwrap_err().downcast_ref(), Some(&7_u8));
        assert_eq!(
            panic_of(|| greenhub::run(|| panic!("globally"))),
            "globally"
        );
        assert_eq!(runtime.run(|| 5), 5);
    });
}

#[test]
fn run_says_that_its_greenlet_was_killed() {
    on_each(|_, runtime| {
        let message = panic_of(|| {
            runtime.run(|| {
                greenhub::current().kill();
                greenhub::yield_now();
            });
        });
        assert!(message.contains("was killed"), "{message}");
        assert_eq!(runtime.run(|| 5), 5);
    });
}

#[test]
fn run_inside_a_greenlet_runs_in_place() {
    on_each(|_, runtime| {
        runtime.run(|| {
            let own = greenhub::current().id();
            assert_eq!(greenhub::run(|| greenhub::current().id()), own);
            assert_eq!(runtime.run(|| greenhub::current().id()), own);
            // So what it takes need not move, and a panic passes through.
            assert_eq!(panic_of(|| runtime.run(|| panic!("inside"))), "inside");
        });
    });
}

#[test]
fn what_run_leaves_behind_goes_on() {
    on_each(|_, runtime| {
        let gate = Gate::new();
        let left = runtime.run(|| {
            let gate = gate.clone();
            greenhub::spawn(move || {
                gate.pass();
                5
            })
        });
        gate.open();
        assert_eq!(left.join().unwrap(), 5);
    });
}

#[test]
fn many_threads_run_at_once() {
    on_each(|_, runtime| {
        let total = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for _ in 0..50 {
                        let value = runtime.run(|| greenhub::spawn(|| 1).join().unwrap());
                        total.fetch_add(value, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 400);
    });
}

#[test]
fn several_runtimes_live_side_by_side() {
    let _watchdog = Watchdog::new();
    let runtimes: Vec<_> = (0..4)
        .map(|i| {
            Runtime::builder()
                .hubs(1 + i % 2)
                .thread_name(format!("side{i}"))
                .build()
                .unwrap()
        })
        .collect();
    let name = || std::thread::current().name().unwrap().to_owned();
    for (i, runtime) in runtimes.iter().enumerate() {
        let prefix = format!("side{i}-");
        assert!(runtime.run(name).starts_with(&prefix));
        // What a greenlet spawns is of its own runtime.
        let child = runtime.run(|| greenhub::spawn(name).join().unwrap());
        assert!(child.starts_with(&prefix), "{child}");
        let handle = runtime.run(Handle::current);
        assert!(handle.spawn(name).join().unwrap().starts_with(&prefix));
    }
    // Greenlets of one wait for another's, and wake them.
    let ring: Vec<_> = runtimes
        .iter()
        .map(|runtime| runtime.spawn(greenhub::park))
        .collect();
    let wakers: Vec<_> = ring
        .into_iter()
        .enumerate()
        .map(|(i, parked)| {
            runtimes[(i + 1) % runtimes.len()].spawn(move || {
                parked.greenlet().unpark();
                parked.join().unwrap();
            })
        })
        .collect();
    greenhub::join_all(wakers)
        .into_iter()
        .for_each(|result| result.unwrap());
}

#[test]
fn another_runtime_is_waited_for_by_parking() {
    both_kinds_on(1, |kind| {
        // All three waits need the greenlet beside, which has the same single hub.
        let inner = runtime(1);
        let (in_run, in_join, in_drop) = (Gate::new(), Gate::new(), Gate::new());
        let beside = kind.spawn({
            let gates = [in_run.clone(), in_join.clone(), in_drop.clone()];
            move || {
                for gate in gates {
                    greenhub::yield_now();
                    greenhub::sleep(Duration::from_micros(100));
                    gate.open();
                }
            }
        });
        inner.run(|| in_run.pass());
        let waits = inner.spawn(move || in_join.pass());
        waits.join().unwrap();
        let begun = Gate::new();
        let stuck = inner.spawn({
            let begun = begun.clone();
            move || {
                begun.open();
                in_drop.pass_blocking();
            }
        });
        begun.pass();
        drop(inner);
        assert!(stuck.is_finished());
        beside.join().unwrap();
    });
}

#[test]
fn the_figures_add_up() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let runtime = runtime(hubs);
        assert_eq!(
            (runtime.metrics().spawned(), runtime.metrics().alive()),
            (0, 0)
        );
        let handle = runtime.handle();
        runtime.run(|| {
            let parked: Vec<_> = (0..10).map(|_| kind.spawn(greenhub::park)).collect();
            for parked in &parked {
                until_parked(parked.greenlet());
            }
            let metrics = handle.metrics();
            assert_eq!((metrics.spawned(), metrics.alive()), (11, 11));
            assert_eq!(metrics.stacks_in_use(), 11);
            let ended: Vec<_> = (0..100).map(|_| kind.spawn(greenhub::yield_now)).collect();
            greenhub::join_all(ended)
                .into_iter()
                .for_each(|result| result.unwrap());
            let fresh = greenhub::spawn_after(LIMIT, || ());
            assert_eq!(handle.metrics().alive(), 12);
            fresh.kill();
            parked.iter().for_each(JoinHandle::kill);
            for parked in parked {
                assert!(parked.join().unwrap_err().is_killed());
            }
        });
        eventually("all have gone", || runtime.metrics().alive() == 0);
        let metrics = runtime.metrics();
        assert_eq!((metrics.spawned(), metrics.finished()), (112, 112));
        assert_eq!((metrics.injected(), metrics.stacks_in_use()), (0, 0));
        assert!(metrics.stacks_pooled() >= 11, "{metrics:?}");
        assert!(metrics.compute_hubs().is_empty());
        let hubs_figures = metrics.hubs();
        assert_eq!(hubs_figures.len(), hubs);
        let sum = |of: fn(&HubMetrics) -> u64| hubs_figures.iter().map(of).sum::<u64>();
        // The main greenlet and the delayed one come from outside of the queues.
        assert_eq!(sum(|hub| hub.spawned), 110);
        assert_eq!(
            (sum(|hub| hub.started), sum(|hub| hub.finished)),
            (111, 111)
        );
        assert_eq!(sum(|hub| hub.stolen_from), sum(|hub| hub.stolen_by));
        assert!(sum(|hub| hub.thefts) <= sum(|hub| hub.stolen_by));
        assert!(sum(|hub| hub.slices) >= 111 + 100);
        assert!(sum(|hub| hub.parks) >= 10);
        assert!(sum(|hub| u64::try_from(hub.stealable).unwrap()) == 0);
        assert!(format!("{runtime:?}").contains("Metrics"));
    }
}

#[test]
fn the_environment_sets_the_hubs_of_the_global_runtime() {
    for value in ["1", "3", " 2 "] {
        let test = "the_environment_sets_the_hubs_of_the_global_runtime";
        let output = in_child(test, &[("GREENHUB_HUBS", value)], || {
            let metrics = Handle::current().metrics();
            assert_eq!(greenhub::run(|| greenhub::spawn(|| 5).join().unwrap()), 5);
            // A runtime of one's own is not concerned.
            assert_eq!(runtime(2).metrics().hubs().len(), 2);
            eprintln!("{} hubs", metrics.hubs().len());
        });
        let text = stderr(&output);
        assert!(output.status.success(), "{text}");
        assert_eq!(text.trim(), format!("{} hubs", value.trim()));
    }
}

#[test]
fn a_bad_number_of_hubs_in_the_environment_is_told() {
    for (value, words) in [
        ("many", "GREENHUB_HUBS must be a number of hubs, not 'many'"),
        ("-1", "GREENHUB_HUBS must be a number of hubs, not '-1'"),
        ("1.5", "GREENHUB_HUBS must be a number of hubs, not '1.5'"),
        ("", "GREENHUB_HUBS must be a number of hubs, not ''"),
        ("0", "hubs must be from 1 to 4096, not 0"),
        ("99999999", "hubs must be from 1 to 4096, not 99999999"),
        ("99999999999999999999999", "GREENHUB_HUBS must be a number"),
    ] {
        let test = "a_bad_number_of_hubs_in_the_environment_is_told";
        let output = in_child(test, &[("GREENHUB_HUBS", value)], || {
            let ways: [fn(); 4] = [
                || drop(greenhub::spawn(|| ())),
                || greenhub::run(|| ()),
                || drop(Handle::current()),
                || greenhub::scope(|s| drop(s.spawn(|| ()))),
            ];
            for way in ways {
                eprintln!("told: {}", panic_of(way));
            }
            // A runtime of one's own can be had all the same.
            assert_eq!(runtime(1).run(|| 5), 5);
        });
        let text = stderr(&output);
        assert!(output.status.success(), "{text}");
        let told = text.lines().filter(|line| line.starts_with("told: "));
        let right = told.filter(|line| line.contains(words)).count();
        assert_eq!(right, 4, "{value}: {text}");
    }
}
