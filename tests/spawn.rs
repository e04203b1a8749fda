//! `spawn` and its sisters.

mod common;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use common::{
    Gate, Kind, Tally, Watchdog, both_kinds_on, eventually, everywhere, panic_of, runtime,
    settled_everywhere, until_parked_in,
};
use greenhub::JoinHandle;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The values of all.
#[track_caller]
fn join<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    let results = greenhub::join_all(handles).into_iter();
    results.map(|result| result.unwrap()).collect()
}

/// Never inlined: the thread may be another after each wait.
#[inline(never)]
fn thread_here() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn fresh_greenlets_begin_in_the_order_of_spawning() {
    both_kinds_on(1, |kind| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let handles: Vec<_> = (0..1_000)
            .map(|i| {
                let order = Arc::clone(&order);
                kind.spawn(move || order.lock().unwrap().push(i))
            })
            .collect();
        join(handles);
        assert!(order.lock().unwrap().iter().copied().eq(0..1_000));
    });
}

#[test]
fn fresh_greenlets_from_an_os_thread_begin_in_the_order_of_spawning() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(1);
    let (gate, order) = (Gate::new(), Arc::new(Mutex::new(Vec::new())));
    let door = runtime.spawn({
        let gate = gate.clone();
        move || gate.pass_blocking()
    });
    let handles: Vec<_> = (0..1_000)
        .map(|i| {
            let order = Arc::clone(&order);
            runtime.spawn(move || order.lock().unwrap().push(i))
        })
        .collect();
    gate.open();
    door.join().unwrap();
    join(handles);
    assert!(
        order.lock().unwrap().iter().copied().eq(0..1_000),
        "{order:?}"
    );
}

#[test]
fn later_greenlets_begin_in_the_order_of_their_times() {
    both_kinds_on(1, |_| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let begin = Instant::now();
        let handles: Vec<_> = [3, 1, 4, 0, 2]
            .map(|i| {
                let (order, delay) = (Arc::clone(&order), Duration::from_millis(3 * i));
                greenhub::spawn_after(delay, move || {
                    assert!(begin.elapsed() >= delay);
                    order.lock().unwrap().push(i);
                })
            })
            .into();
        join(handles);
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_greenlet_without_delay_begins_at_once() {
    everywhere(|_| {
        let handles: Vec<_> = (0..50)
            .map(|i| greenhub::spawn_after(Duration::ZERO, move || i))
            .collect();
        assert!(join(handles).into_iter().eq(0..50));
    });
}

#[test]
fn a_greenlet_of_the_far_future_waits_and_can_be_killed() {
    everywhere(|_| {
        let drops = Tally::new();
        for delay in [Duration::MAX, Duration::from_secs(u64::MAX / 2), YEAR] {
            let held = drops.on_drop();
            let never = greenhub::spawn_after(delay, move || drop(held));
            let never = never.join_timeout(Duration::from_micros(200)).unwrap_err();
            never.kill();
            assert!(never.join().unwrap_err().is_killed());
        }
        assert_eq!(drops.get(), 3);
    });
}

#[test]
fn a_greenlet_of_the_far_future_goes_with_its_runtime() {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        let drops = Tally::new();
        let runtime = runtime(hubs);
        let never = runtime.run(|| {
            [YEAR, Duration::MAX].map(|delay| {
                let held = drops.on_drop();
                greenhub::spawn_after(delay, move || drop(held))
            })
        });
        drop(runtime);
        assert_eq!(drops.get(), 2);
        for never in never {
            assert!(never.join().unwrap_err().is_killed());
        }
    }
}

#[test]
fn later_greenlets_are_many() {
    everywhere(|_| {
        let handles: Vec<_> = (0..2_000_u64)
            .map(|i| greenhub::spawn_after(Duration::from_micros(i * 7 % 1_000), move || i))
            .collect();
        assert!(join(handles).into_iter().eq(0..2_000));
    });
}

#[test]
fn an_os_thread_spawns_for_later() {
    let _watchdog = Watchdog::new();
    let began = Instant::now();
    let delay = Duration::from_millis(2);
    let later = greenhub::spawn_after(delay, Instant::now);
    assert!(later.join().unwrap() >= began + delay);
}

#[test]
fn a_local_greenlet_shares_what_cannot_be_sent() {
    settled_everywhere(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..10)
            .map(|i| {
                let log = Rc::clone(&log);
                greenhub::spawn_local(move || {
                    log.borrow_mut().push(i);
                    greenhub::yield_now();
                    Rc::new(i)
                })
            })
            .collect();
        for (i, handle) in (0..).zip(handles) {
            assert_eq!(*handle.join().unwrap(), i);
        }
        assert!(log.take().into_iter().eq(0..10));
        assert_eq!(Rc::strong_count(&log), 1);
    });
}

#[test]
fn a_local_greenlet_stays_on_its_spawners_thread() {
    settled_everywhere(|| {
        let home = thread_here();
        let handles: Vec<_> = (0..100)
            .map(|_| {
                greenhub::spawn_local(|| {
                    let mut seen = vec![thread_here()];
                    greenhub::yield_now();
                    seen.push(thread_here());
                    greenhub::sleep(Duration::from_micros(100));
                    seen.push(thread_here());
                    seen
                })
            })
            .collect();
        // The others have time to steal, and must not.
        let until = Instant::now() + Duration::from_micros(300);
        while Instant::now() < until {}
        for handle in handles {
            assert_eq!(handle.join().unwrap(), [home; 3]);
        }
    });
}

#[test]
fn a_local_greenlet_may_be_spawned_on_the_compute_lane() {
    let _watchdog = Watchdog::new();
    runtime(2).run(|| {
        let outer = greenhub::spawn_compute(|| {
            let home = Rc::new(thread_here());
            let local = greenhub::spawn_local({
                let home = Rc::clone(&home);
                move || *home == thread_here()
            });
            local.join().unwrap()
        });
        assert!(outer.join().unwrap());
    });
}

#[test]
fn a_local_greenlet_cannot_be_spawned_outside_of_greenlets() {
    let _watchdog = Watchdog::new();
    let drops = Tally::new();
    let held = drops.on_drop();
    let message = panic_of(|| greenhub::spawn_local(move || drop(held)));
    assert!(message.contains("spawn_local") && message.contains("outside"));
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_compute_greenlet_runs_on_a_thread_of_its_lane() {
    everywhere(|_| {
        let name = || std::thread::current().name().unwrap().to_owned();
        for handle in (0..20).map(|_| greenhub::spawn_compute(name)) {
            let name = handle.join().unwrap();
            assert!(name.starts_with("greenhub-compute-"), "{name}");
        }
        // What it spawns is of the main lane again, unless it says otherwise.
        let nested = greenhub::spawn_compute(move || {
            let main = greenhub::spawn(name).join().unwrap();
            (main, greenhub::spawn_compute(name).join().unwrap())
        });
        let (main, compute) = nested.join().unwrap();
        assert!(!main.contains("compute"), "{main}");
        assert!(compute.contains("compute"), "{compute}");
    });
}

#[test]
fn a_migrating_greenlet_leaves_a_busy_hub() {
    let _watchdog = Watchdog::new();
    for hubs in [2, 4] {
        runtime(hubs).run(|| {
            let (moved, hog_runs) = (Gate::new(), Gate::new());
            // SAFETY: nothing of a thread's own is kept across the wait.
            let migrant = unsafe {
                greenhub::spawn_migrating({
                    let (moved, hog_runs) = (moved.clone(), hog_runs.clone());
                    move || {
                        let before = thread_here();
                        let hog = greenhub::spawn_local({
                            let moved = moved.clone();
                            move || {
                                hog_runs.open();
                                moved.pass_blocking();
                            }
                        });
                        // The hog is of this hub; so this one goes elsewhere or waits in vain.
                        let hog = hog.greenlet().clone();
                        while thread_here() == before {
                            greenhub::yield_now();
                        }
                        moved.open();
                        hog
                    }
                })
            };
            drop(migrant.join().unwrap());
            assert!(hog_runs.is_open());
        });
    }
}

/// The line that this is called from.
#[track_caller]
fn line_here() -> u32 {
    std::panic::Location::caller().line()
}

#[test]
fn every_way_of_spawning_notes_its_line() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(2);
    let handle = runtime.handle();
    let outside = [
        (runtime.spawn(|| ()), line_here()),
        (handle.spawn(|| ()), line_here()),
        (handle.spawn_compute(|| ()), line_here()),
        (greenhub::spawn(|| ()), line_here()),
        (greenhub::spawn_compute(|| ()), line_here()),
        (greenhub::spawn_after(Duration::ZERO, || ()), line_here()),
    ];
    let main_of_run = || greenhub::current().spawned_at();
    let mut places = vec![
        (runtime.run(main_of_run), line_here()),
        (greenhub::run(main_of_run), line_here()),
    ];
    places.extend(runtime.run(|| {
        let local = (greenhub::spawn_local(|| ()), line_here());
        let local = (local.0.greenlet().spawned_at(), local.1);
        // SAFETY: they do nothing.
        let migrating = unsafe { (greenhub::spawn_migrating(|| ()), line_here()) };
        let inside = [
            migrating,
            (greenhub::spawn(|| ()), line_here()),
            (greenhub::spawn_compute(|| ()), line_here()),
            (greenhub::spawn_after(Duration::ZERO, || ()), line_here()),
            (greenhub::Builder::new().spawn(|| ()).unwrap(), line_here()),
        ];
        let scoped = greenhub::scope(|s| (s.spawn(|| ()).greenlet().spawned_at(), line_here()));
        let built = greenhub::scope(|s| {
            let built = greenhub::Builder::new().spawn_scoped(s, || ());
            (built.unwrap().greenlet().spawned_at(), line_here() - 1)
        });
        let inside = inside.map(|(handle, line)| (handle.greenlet().spawned_at(), line));
        inside
            .into_iter()
            .chain([local, scoped, built])
            .collect::<Vec<_>>()
    }));
    places.extend(outside.map(|(handle, line)| (handle.greenlet().spawned_at(), line)));
    for (place, line) in places {
        assert_eq!((place.file(), place.line()), (file!(), line));
    }
}

#[test]
fn numbers_are_never_given_twice() {
    let _watchdog = Watchdog::new();
    let many = |kind: Kind| (0..500).map(move |_| kind.spawn(|| greenhub::current().id()));
    let from_threads = (0..4).map(|_| {
        std::thread::spawn(move || {
            let runtime = runtime(4);
            let mut handles: Vec<_> = Kind::BOTH.into_iter().flat_map(many).collect();
            handles.extend((0..500).map(|_| runtime.spawn(|| greenhub::current().id())));
            let nested = runtime.run(|| {
                let spawners = Kind::BOTH.map(|kind| {
                    (0..4).map(move |_| kind.spawn(move || join(many(kind).collect())))
                });
                let spawners = spawners.into_iter().flatten().collect();
                join(spawners)
            });
            let mut ids = join(handles);
            ids.extend(nested.into_iter().flatten());
            ids
        })
    });
    let threads: Vec<_> = from_threads.collect();
    let ids: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(ids.len(), 4 * (1_500 + 8 * 500));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn debug_shows_the_state_and_the_place_of_the_wait() {
    both_kinds_on(1, |kind| {
        let gate = Gate::new();
        let greenlet = kind.builder().name("watched".into()).spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                greenhub::park(); // the place
            }
        });
        let (handle, line) = (greenlet.unwrap(), line_here() - 3);
        let shown = || format!("{:?}", handle.greenlet());
        let id = format!("id: {}", handle.greenlet().id());
        let spawned = format!("spawned_at: {}:{}:", file!(), line - 4);
        for part in ["Greenlet", "watched", "Fresh", &id, &spawned] {
            assert!(shown().contains(part), "{part} in {}", shown());
        }
        greenhub::yield_now();
        assert!(shown().contains("Active"), "{}", shown());
        gate.open();
        until_parked_in(handle.greenlet(), "park");
        let place = format!("Parked(park at {}:{line}:", file!());
        assert!(shown().contains(&place), "{}", shown());
        handle.greenlet().unpark();
        eventually("it ends", || handle.is_finished());
        assert!(shown().contains("Done"), "{}", shown());
        assert!(format!("{handle:?}").starts_with("JoinHandle(Greenlet"));
    });
}

#[test]
fn debug_shows_what_is_waited_for() {
    everywhere(|kind| {
        let gate = Gate::new();
        let scope_ends = gate.clone();
        type Wait = Box<dyn FnOnce() + Send>;
        let waits: [(&str, Wait); 4] = [
            ("park", Box::new(|| greenhub::park_timeout(YEAR))),
            ("sleep", Box::new(|| greenhub::sleep(YEAR))),
            (
                "join",
                Box::new(|| drop(greenhub::spawn_after(YEAR, || ()).join())),
            ),
            (
                "scope",
                Box::new(move || greenhub::scope(|s| drop(s.spawn(|| scope_ends.pass())))),
            ),
        ];
        let waits = waits.map(|(name, wait)| (name, kind.spawn(wait)));
        for (name, waiting) in &waits {
            until_parked_in(waiting.greenlet(), name);
            let place = format!("Parked({name} at {}:", file!());
            assert!(format!("{waiting:?}").contains(&place), "{waiting:?}");
        }
        gate.open();
        for (_, waiting) in waits {
            waiting.kill();
            drop(waiting.join());
        }
    });
}
