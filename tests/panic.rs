//! Panics: in bodies, in destructors, in iterators, in hooks. Each ends a greenlet at most, and the hub goes on.

mod common;

use std::any::Any;
use std::panic::{panic_any, resume_unwind};
use std::time::Duration;

use common::{
    Gate, Kind, OnDrop, Tally, Watchdog, both_kinds_on, eventually, everywhere, in_child, panic_of,
    runtime, stderr, until_parked,
};
use greenhub::Greenlet;

/// Its drop panics with another of its kind, until it has done so often enough.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Chain(self.0 - 1));
        }
    }
}

#[track_caller]
fn until_done(greenlet: &Greenlet) {
    eventually("it ends", || format!("{greenlet:?}").contains("Done"));
}

/// The hub still runs greenlets, and nobody there believes that somebody panics.
#[track_caller]
fn life_goes_on(kind: Kind) {
    assert!(!std::thread::panicking());
    let after = kind.spawn(|| {
        assert!(!std::thread::panicking());
        greenhub::sleep(Duration::from_micros(10));
        5
    });
    assert_eq!(after.join().unwrap(), 5);
}

#[test]
fn a_panic_in_the_drop_of_a_panics_payload_is_survived() {
    everywhere(|kind| {
        // Dropped by the greenlet itself, and by the holder of the handle.
        let detached = kind.spawn(|| Chain(3));
        let greenlet = detached.greenlet().clone();
        drop(detached);
        until_done(&greenlet);
        let kept = kind.spawn(|| Chain(3));
        eventually("it ends", || kept.is_finished());
        drop(kept);
        life_goes_on(kind);
    });
}

#[test]
fn a_panic_ends_its_greenlet_only() {
    everywhere(|kind| {
        let (gate, beside) = (Gate::new(), Tally::new());
        let others: Vec<_> = (0..10)
            .map(|_| {
                let (gate, beside) = (gate.clone(), beside.clone());
                kind.spawn(move || {
                    gate.pass();
                    assert!(!std::thread::panicking());
                    beside.add();
                })
            })
            .collect();
        for round in 0..10 {
            let failing = kind.spawn(move || {
                greenhub::yield_now();
                panic!("round {round}");
            });
            let error = failing.join().unwrap_err();
            assert_eq!(common::text(&*error.into_panic()), format!("round {round}"));
        }
        gate.open();
        greenhub::join_all(others)
            .into_iter()
            .for_each(|result| result.unwrap());
        assert_eq!(beside.get(), 10);
        life_goes_on(kind);
    });
}

#[test]
fn destructors_run_on_the_way_and_may_wait() {
    everywhere(|kind| {
        let steps = Tally::new();
        let failing = kind.spawn({
            let (first, second, steps) = (steps.on_drop(), steps.on_drop(), steps.clone());
            move || {
                let _first = first;
                let _waits = OnDrop(move || {
                    assert!(std::thread::panicking());
                    greenhub::yield_now();
                    greenhub::sleep(Duration::from_micros(50));
                    steps.add();
                });
                let _second = second;
                panic!("on purpose");
            }
        });
        assert!(failing.join().unwrap_err().is_panic());
        assert_eq!(steps.get(), 3);
        life_goes_on(kind);
    });
}

#[test]
fn a_caught_panic_is_nobodys_business() {
    everywhere(|kind| {
        let calm = kind.spawn(|| {
            assert_eq!(panic_of(|| panic!("inside")), "inside");
            greenhub::yield_now();
            5
        });
        assert_eq!(calm.join().unwrap(), 5);
    });
}

#[test]
fn a_panic_in_an_iterator_given_to_join_all_passes_through() {
    everywhere(|kind| {
        for collect in [
            |handles: &mut dyn Iterator<Item = greenhub::JoinHandle<()>>| {
                drop(greenhub::join_all(handles));
            },
            |handles: &mut dyn Iterator<Item = greenhub::JoinHandle<()>>| {
                drop(greenhub::as_completed(handles));
            },
        ] {
            let ended = Tally::new();
            let mut handles = (0..5).map(|i| {
                assert_ne!(i, 3, "the iterator panics");
                let ended = ended.clone();
                kind.spawn(move || ended.add())
            });
            assert!(panic_of(|| collect(&mut handles)).contains("the iterator panics"));
            // What had been spawned is detached, and runs on.
            eventually("they end", || ended.get() == 3);
        }
        life_goes_on(kind);
    });
}

#[test]
fn a_panic_in_the_drop_of_a_value_that_nobody_takes_is_survived() {
    struct Bomb(Gate);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.open();
            panic!("a value panics");
        }
    }
    everywhere(|kind| {
        // Before the end and after it.
        let gone = Gate::new();
        let bomb = Bomb(gone.clone());
        let detached = kind.spawn(move || bomb);
        let greenlet = detached.greenlet().clone();
        drop(detached);
        gone.pass();
        until_done(&greenlet);

        let gone = Gate::new();
        let bomb = Bomb(gone.clone());
        let ended = kind.spawn(move || bomb);
        eventually("it ends", || ended.is_finished());
        assert!(!gone.is_open());
        drop(ended);
        assert!(gone.is_open());
        life_goes_on(kind);
    });
}

#[test]
fn a_panic_in_the_drop_of_a_capture_is_the_greenlets() {
    everywhere(|kind| {
        let bomb = OnDrop(|| panic!("a capture panics"));
        let failing = kind.spawn(move || {
            let _held = &bomb;
        });
        let error = failing.join().unwrap_err();
        assert!(error.to_string().contains("a capture panics"), "{error}");
        life_goes_on(kind);
    });
}

#[test]
fn a_panic_in_the_drop_of_a_fresh_capture_is_the_greenlets_not_its_killers() {
    both_kinds_on(1, |kind| {
        let bomb = OnDrop(|| panic!("a capture panics"));
        let fresh = kind.spawn(move || {
            let _held = &bomb;
        });
        fresh.kill();
        let error = fresh.join().unwrap_err();
        assert!(error.to_string().contains("a capture panics"), "{error}");
        life_goes_on(kind);
    });
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_is_the_holders() {
    everywhere(|kind| {
        let failing = kind.spawn(|| panic_any(Chain(1)));
        let error = failing.join().unwrap_err();
        let payload: Box<dyn Any + Send> = error.into_panic();
        assert!(payload.is::<Chain>());
        panic_of(|| drop(payload));

        let failing = kind.spawn(|| resume_unwind(Box::new(Chain(2))));
        let greenlet = failing.greenlet().clone();
        drop::<greenhub::JoinHandle<()>>(failing);
        until_done(&greenlet);
        life_goes_on(kind);
    });
}

#[test]
fn a_panic_on_the_compute_lane_is_like_any_other() {
    let _watchdog = Watchdog::new();
    runtime(1).run(|| {
        let failing = greenhub::spawn_compute(|| panic!("computed"));
        assert!(failing.join().unwrap_err().is_panic());
        assert_eq!(greenhub::spawn_compute(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn a_panic_of_a_local_greenlet_is_like_any_other() {
    common::settled_everywhere(|| {
        let local = greenhub::spawn_local(|| panic!("local"));
        assert!(local.join().unwrap_err().is_panic());
        life_goes_on(Kind::Settled);
    });
}

#[test]
fn a_panic_that_nobody_joins_is_printed_with_name_and_place() {
    let output = in_child(
        "a_panic_that_nobody_joins_is_printed_with_name_and_place",
        &[],
        || {
            runtime(1).run(|| {
                for kind in Kind::BOTH {
                    let named = kind.builder().name(format!("{kind:?} one"));
                    let failing = named.spawn(|| panic!("a plate fell"));
                    let greenlet = failing.unwrap().greenlet().clone();
                    until_done(&greenlet);
                }
                let nameless = greenhub::spawn(|| panic_any(7_u8));
                let greenlet = nameless.greenlet().clone();
                drop::<greenhub::JoinHandle<()>>(nameless);
                until_done(&greenlet);
                eprintln!("the last was number {}", greenlet.id());
            });
        },
    );
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    for part in [
        "greenlet 'Settled one' (#",
        "greenlet 'Migrating one' (#",
        "thread 'greenhub-0'",
        "a plate fell",
        "Box<dyn Any>",
        file!(),
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    let (_, number) = text.split_once("the last was number ").unwrap();
    assert!(
        text.contains(&format!(
            "greenlet #{} (spawned at {}:",
            number.trim(),
            file!()
        )),
        "{text}"
    );
}

#[test]
fn a_panic_outside_of_greenlets_is_printed_as_ever() {
    let output = in_child(
        "a_panic_outside_of_greenlets_is_printed_as_ever",
        &[],
        || {
            runtime(1).run(|| ());
            let failing = std::thread::Builder::new().name("plain".into());
            let failing = failing.spawn(|| panic!("a plate fell")).unwrap();
            assert!(failing.join().is_err());
        },
    );
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("thread 'plain'") && text.contains("a plate fell"));
    assert!(!text.contains("greenlet"), "{text}");
}

#[test]
fn the_users_own_hook_is_called_on_the_greenlet() {
    let output = in_child("the_users_own_hook_is_called_on_the_greenlet", &[], || {
        for before in [true, false] {
            let hook = || {
                std::panic::set_hook(Box::new(|info| {
                    let name = greenhub::current().name().map(str::to_owned);
                    eprintln!(
                        "{name:?}: {}",
                        info.payload().downcast_ref::<&str>().unwrap()
                    );
                    // It may even wait.
                    greenhub::yield_now();
                    greenhub::sleep(Duration::from_micros(10));
                    drop(greenhub::spawn(|| eprintln!("spawned by the hook")));
                }));
            };
            if before {
                hook();
            }
            let runtime = runtime(1);
            if !before {
                hook();
            }
            runtime.run(|| {
                let named = greenhub::Builder::new().name(format!("before: {before}"));
                let failing = named.spawn(|| panic!("a plate fell")).unwrap();
                assert!(failing.join().is_err());
                // It was queued before.
                greenhub::spawn(|| ()).join().unwrap();
            });
        }
    });
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    for before in [true, false] {
        let line = format!("Some(\"before: {before}\"): a plate fell");
        assert!(text.contains(&line), "{text}");
    }
    assert_eq!(text.matches("spawned by the hook").count(), 2, "{text}");
    assert!(!text.contains("thread 'greenhub-0'"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_hook_that_panics_aborts_as_std_would() {
    use std::os::unix::process::ExitStatusExt;

    let output = in_child("a_hook_that_panics_aborts_as_std_would", &[], || {
        std::panic::set_hook(Box::new(|_| panic!("the hook panics")));
        runtime(1).run(|| drop(greenhub::spawn(|| panic!("a plate fell")).join()));
    });
    assert!(output.status.signal().is_some(), "{output:?}");
    assert!(stderr(&output).contains("the hook panics"), "{output:?}");
}

#[test]
fn a_kill_that_is_taken_for_a_panic_does_no_harm() {
    // Payloads that are caught can be dropped, kept, or thrown again.
    everywhere(|kind| {
        let again = kind.spawn(|| {
            if let Err(payload) = std::panic::catch_unwind(|| greenhub::park()) {
                resume_unwind(payload);
            }
        });
        until_parked(again.greenlet());
        again.kill();
        assert!(again.join().unwrap_err().is_killed());

        let kept = kind.spawn(|| std::panic::catch_unwind(|| greenhub::park()).unwrap_err());
        until_parked(kept.greenlet());
        kept.kill();
        let payload = kept.join().unwrap();
        // Thrown by another, it is no kill of that one's.
        let thief = kind.spawn(move || resume_unwind(payload));
        assert!(thief.join().is_err());
        life_goes_on(kind);
    });
}
