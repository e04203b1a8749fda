//! Both builders: what they make, and what they refuse.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use common::{
    Gate, Kind, Tally, Watchdog, both_kinds, both_kinds_on, eventually, everywhere, panic_of,
    runtime, until_parked,
};
use greenhub::runtime::{self, Runtime};
use greenhub::{Builder, JoinHandle};

const KIB: usize = 1024;

/// Uses about so much of the stack.
#[inline(never)]
fn use_stack(kib: usize) -> u8 {
    let page = std::hint::black_box([1_u8; KIB]);
    match kib {
        0 => page[0],
        _ => std::hint::black_box(use_stack(kib - 1)) | page[KIB - 1],
    }
}

/// The greenlet that cannot be spawned leaves an error of that kind with those words, and drops its closure.
#[track_caller]
fn refused(builder: Builder, kind: ErrorKind, words: &[&str]) {
    let drops = Tally::new();
    let held = drops.on_drop();
    let error = builder.spawn(move || drop(held)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word} in: {error}");
    }
    assert_eq!(drops.get(), 1);
}

#[track_caller]
fn refused_runtime(builder: runtime::Builder, words: &[&str]) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word} in: {error}");
    }
}

#[test]
fn a_name_is_the_greenlets_own() {
    everywhere(|kind| {
        for name in ["plain", "", "with spaces", "名前", "a\0b"] {
            let named = kind.builder().name(name.to_owned());
            let handle = named
                .spawn(|| greenhub::current().name().map(str::to_owned))
                .unwrap();
            assert_eq!(handle.greenlet().name(), Some(name));
            assert!(format!("{:?}", handle.greenlet()).contains(&format!("{name:?}")));
            assert_eq!(handle.join().unwrap().as_deref(), Some(name));
        }
        assert_eq!(kind.spawn(|| ()).greenlet().name(), None);
    });
}

#[test]
fn a_name_is_no_threads_name() {
    both_kinds_on(1, |kind| {
        let named = kind.builder().name("own".into());
        let thread = named
            .spawn(|| std::thread::current().name().map(str::to_owned))
            .unwrap();
        assert_eq!(thread.join().unwrap().as_deref(), Some("greenhub-0"));
    });
}

#[test]
fn a_stack_that_is_too_small_or_absurd_is_refused() {
    everywhere(|kind| {
        let limits = ["16 KiB", "1048576 KiB"];
        for bytes in [
            0,
            1,
            16 * KIB - 1,
            (1 << 30) + 1,
            usize::MAX / 2,
            usize::MAX,
        ] {
            let number = bytes.to_string();
            let words = [limits[0], limits[1], &number];
            refused(
                kind.builder().stack_size(bytes),
                ErrorKind::InvalidInput,
                &words,
            );
        }
        assert_eq!(kind.spawn(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn a_stack_has_at_least_the_size_that_was_asked_for() {
    everywhere(|kind| {
        // The sizes between are rounded up, not down.
        for (bytes, used) in [
            (256 * KIB, 150),
            (256 * KIB + 1, 350),
            (600 * KIB, 900),
            (4096 * KIB, 3500),
        ] {
            // What a debug build adds to each call is less than the call itself.
            let used = if cfg!(debug_assertions) {
                used / 2
            } else {
                used
            };
            let deep = kind.builder().stack_size(bytes);
            assert_eq!(
                deep.spawn(move || use_stack(used)).unwrap().join().unwrap(),
                1
            );
        }
    });
}

#[test]
fn the_smallest_and_the_largest_stack_can_be_had() {
    everywhere(|kind| {
        for bytes in [16 * KIB, 1 << 30] {
            let handle = kind.builder().stack_size(bytes).spawn(|| {
                greenhub::yield_now();
                5
            });
            assert_eq!(handle.unwrap().join().unwrap(), 5);
        }
    });
}

#[test]
fn a_runtimes_stack_size_is_its_greenlets() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder()
        .hubs(1)
        .stack_size(2048 * KIB)
        .build()
        .unwrap();
    runtime.run(|| {
        let used = if cfg!(debug_assertions) { 800 } else { 1700 };
        assert_eq!(use_stack(used), 1);
        for kind in Kind::BOTH {
            assert_eq!(kind.spawn(move || use_stack(used)).join().unwrap(), 1);
        }
        assert_eq!(
            greenhub::spawn_local(move || use_stack(used))
                .join()
                .unwrap(),
            1
        );
    });
}

#[test]
fn a_compute_greenlet_runs_on_the_compute_lane() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder()
        .hubs(2)
        .compute_hubs(2)
        .thread_name("hub")
        .build()
        .unwrap();
    runtime.run(|| {
        assert!(
            greenhub::runtime::Handle::current()
                .metrics()
                .compute_hubs()
                .is_empty()
        );
        for kind in Kind::BOTH {
            let name = || std::thread::current().name().unwrap().to_owned();
            let handles: Vec<_> = (0..20)
                .map(|_| kind.builder().compute().spawn(name).unwrap())
                .collect();
            for handle in handles {
                let name = handle.join().unwrap();
                assert!(name == "hub-compute-0" || name == "hub-compute-1", "{name}");
            }
        }
    });
    assert_eq!(runtime.metrics().compute_hubs().len(), 2);
}

#[test]
fn a_builder_may_set_everything_at_once() {
    both_kinds(|kind| {
        let builder = kind
            .builder()
            .compute()
            .stack_size(64 * KIB)
            .name("all".into());
        assert!(format!("{builder:?}").contains("all"));
        let handle = builder.spawn(|| use_stack(20)).unwrap();
        assert_eq!(handle.greenlet().name(), Some("all"));
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn a_runtime_without_hubs_is_refused() {
    refused_runtime(Runtime::builder().hubs(0), &["hubs", "from 1 to", "not 0"]);
    refused_runtime(
        Runtime::builder().compute_hubs(0),
        &["compute_hubs", "from 1 to", "not 0"],
    );
}

#[test]
fn a_runtime_with_an_absurd_number_is_refused() {
    let most = usize::MAX.to_string();
    refused_runtime(Runtime::builder().hubs(usize::MAX), &["hubs", &most]);
    refused_runtime(
        Runtime::builder().hubs(1).compute_hubs(usize::MAX),
        &["compute_hubs", &most],
    );
    refused_runtime(Runtime::builder().max_greenlets(0), &["max_greenlets", "0"]);
    refused_runtime(
        Runtime::builder().max_greenlets(usize::MAX),
        &["max_greenlets", &most],
    );
    for bytes in [0, 1, usize::MAX] {
        refused_runtime(
            Runtime::builder().stack_size(bytes),
            &["16 KiB", "1048576 KiB", &bytes.to_string()],
        );
    }
}

#[test]
fn a_thread_name_that_no_thread_can_have_is_refused() {
    refused_runtime(
        Runtime::builder().thread_name("a\0b"),
        &["thread_name", "zero byte"],
    );
}

#[test]
fn hub_threads_have_the_runtimes_name() {
    let _watchdog = Watchdog::new();
    for prefix in ["worker", "", "a name that is longer than the system allows"] {
        let runtime = Runtime::builder()
            .hubs(1)
            .thread_name(prefix)
            .build()
            .unwrap();
        let name = runtime.run(|| std::thread::current().name().map(str::to_owned));
        assert_eq!(name, Some(format!("{prefix}-0")));
    }
}

#[test]
fn a_builder_can_be_used_again() {
    let _watchdog = Watchdog::new();
    let builder = Runtime::builder().hubs(1).thread_name("twin");
    assert!(format!("{builder:?}").contains("twin"));
    let (first, second) = (builder.clone().build().unwrap(), builder.build().unwrap());
    assert_eq!(first.run(|| 1) + second.run(|| 2), 3);
}

#[test]
fn too_many_greenlets_are_refused_until_others_end() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let runtime = Runtime::builder()
            .hubs(hubs)
            .max_greenlets(6)
            .build()
            .unwrap();
        runtime.run(|| {
            let too_many = || {
                refused(
                    kind.builder(),
                    ErrorKind::WouldBlock,
                    &["too many greenlets", "6", "max_greenlets"],
                );
            };
            // With the one that runs this.
            let mut parked: Vec<JoinHandle<()>> =
                (0..5).map(|_| kind.spawn(greenhub::park)).collect();
            too_many();
            assert!(panic_of(|| kind.spawn(|| ())).contains("too many greenlets"));
            assert!(panic_of(|| greenhub::spawn_local(|| ())).contains("too many greenlets"));
            let later = || greenhub::spawn_after(Duration::ZERO, || ());
            assert!(panic_of(later).contains("too many greenlets"));
            assert!(panic_of(|| greenhub::spawn_compute(|| ())).contains("too many greenlets"));

            // However one ends, its place is free as soon as that is known.
            let returns = parked.pop().unwrap();
            returns.greenlet().unpark();
            returns.join().unwrap();
            let panics = kind.spawn(|| panic!("on purpose"));
            too_many();
            assert!(panics.join().is_err());
            let killed = parked.pop().unwrap();
            until_parked(killed.greenlet());
            killed.kill();
            assert!(killed.join().is_err());
            (0..2).for_each(|_| parked.push(kind.builder().spawn(greenhub::park).unwrap()));
            too_many();
            parked.iter().for_each(|parked| parked.greenlet().unpark());
            greenhub::join_all(parked)
                .into_iter()
                .for_each(|result| result.unwrap());
        });
        // Nothing was lost on the way.
        eventually("all have gone", || runtime.metrics().alive() == 0);
        for _ in 0..20 {
            assert_eq!(runtime.run(|| kind.spawn(|| 5).join().unwrap()), 5);
        }
    }
}

#[test]
fn an_os_thread_is_refused_too() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder().hubs(1).max_greenlets(1).build().unwrap();
    let gate = Gate::new();
    let only = runtime.spawn({
        let gate = gate.clone();
        move || gate.pass()
    });
    assert!(panic_of(|| runtime.spawn(|| ())).contains("too many greenlets"));
    assert!(panic_of(|| runtime.run(|| ())).contains("too many greenlets"));
    gate.open();
    only.join().unwrap();
    runtime.run(|| ());
}

#[test]
fn the_limit_of_greenlets_is_met_exactly_by_many_spawners() {
    let _watchdog = Watchdog::new();
    let limit = 50;
    let runtime = Runtime::builder()
        .hubs(4)
        .max_greenlets(limit)
        .build()
        .unwrap();
    let handle = runtime.handle();
    let spawners: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                let spawned = (0..limit).map_while(|_| {
                    let spawn = std::panic::AssertUnwindSafe(|| handle.spawn(greenhub::park));
                    std::panic::catch_unwind(spawn).ok()
                });
                spawned.collect::<Vec<_>>()
            })
        })
        .collect();
    let parked: Vec<_> = spawners
        .into_iter()
        .flat_map(|spawner| spawner.join().unwrap())
        .collect();
    assert_eq!(parked.len(), limit);
    parked.iter().for_each(JoinHandle::kill);
    drop(parked);
    eventually("all have gone", || handle.metrics().alive() == 0);
    let again: Vec<_> = (0..limit).map(|_| handle.spawn(greenhub::park)).collect();
    assert_eq!(again.len(), limit);
    drop(runtime);
    for parked in again {
        assert!(parked.join().unwrap_err().is_killed());
    }
}

#[test]
fn as_many_hubs_as_are_asked_for() {
    let _watchdog = Watchdog::new();
    for hubs in [1, 3, 16] {
        let runtime = runtime(hubs);
        assert_eq!(runtime.metrics().hubs().len(), hubs);
        assert_eq!(runtime.run(|| 5), 5);
    }
}

#[test]
fn a_builder_spawns_into_a_scope() {
    everywhere(|kind| {
        let (words, ended) = (["plain", "sequential"], Tally::new());
        let (length, compute) = greenhub::scope(|s| {
            let length = kind.builder().name("counter".into());
            let length = length.spawn_scoped(s, || {
                greenhub::yield_now();
                let name = greenhub::current().name().map(str::to_owned);
                (words.iter().map(|word| word.len()).sum::<usize>(), name)
            });
            let compute = kind.builder().compute().stack_size(1024 * KIB);
            let compute = compute.spawn_scoped(s, || (use_stack(400), words[0]));
            // Nobody joins this one.
            drop(kind.builder().spawn_scoped(s, || {
                greenhub::sleep(Duration::from_micros(100));
                ended.add();
            }));
            let (length, compute) = (length.unwrap(), compute.unwrap());
            (length.join().unwrap(), compute.join().unwrap())
        });
        assert_eq!(length, (15, Some(String::from("counter"))));
        assert_eq!((compute, ended.get()), ((1, "plain"), 1));
    });
}

#[test]
fn a_scope_is_left_in_order_by_a_greenlet_that_is_refused() {
    everywhere(|kind| {
        let drops = Tally::new();
        greenhub::scope(|s| {
            let held = drops.on_drop();
            let small = kind.builder().stack_size(1);
            let error = small.spawn_scoped(s, move || drop(held)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        });
        assert_eq!(drops.get(), 1);
    });
}
