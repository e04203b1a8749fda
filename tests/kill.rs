//! `kill`: ending a greenlet from outside, wherever it is.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{
    Gate, Kind, OnDrop, Tally, Watchdog, both_kinds, both_kinds_on, eventually, everywhere,
    in_child, runtime, settled_everywhere, stderr, until_parked, until_parked_in,
};
use greenhub::{Greenlet, JoinHandle};

const LONG: Duration = Duration::from_secs(3_600);

#[track_caller]
fn assert_killed<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).unwrap_err();
    assert!(error.is_killed() && !error.is_panic(), "{error}");
}

/// Kills a greenlet that is parked in each of the waits, and expects its destructors to run and nothing else.
fn killed_while_parked(kind: Kind, waits: &[(&str, fn())], killer: fn(&Greenlet)) {
    for &(state, wait) in waits {
        let (drops, after) = (Tally::new(), Tally::new());
        let victim = kind.spawn({
            let (outer, inner, after) = (drops.on_drop(), drops.on_drop(), after.clone());
            move || {
                let _outer = outer;
                let boxed = Box::new(inner);
                wait();
                after.add();
                drop(boxed);
            }
        });
        until_parked_in(victim.greenlet(), state);
        killer(victim.greenlet());
        assert_killed(victim);
        assert_eq!((drops.get(), after.get()), (2, 0), "in {state}");
    }
}

fn waits() -> [(&'static str, fn()); 6] {
    [
        ("park", || greenhub::park()),
        ("park", || greenhub::park_timeout(LONG)),
        ("sleep", || greenhub::sleep(LONG)),
        ("sleep", || greenhub::sleep(Duration::MAX)),
        ("join", || {
            let _ = greenhub::spawn_after(LONG, || ()).join();
        }),
        ("join", || {
            let endless = greenhub::spawn_after(LONG, || ());
            let _ = endless.join_timeout(LONG);
        }),
    ]
}

#[test]
fn a_greenlet_that_waits_unwinds() {
    everywhere(|kind| killed_while_parked(kind, &waits(), Greenlet::kill));
}

#[test]
fn an_os_thread_kills_too() {
    everywhere(|kind| {
        killed_while_parked(kind, &waits(), |victim| {
            let victim = victim.clone();
            std::thread::spawn(move || victim.kill()).join().unwrap();
        });
    });
}

#[test]
fn a_greenlet_that_waits_for_many_unwinds() {
    everywhere(|kind| {
        killed_while_parked(
            kind,
            &[
                ("join", || {
                    let _ = greenhub::join_all([greenhub::spawn_after(LONG, || ())]);
                }),
                ("join", || {
                    let many = (0..3).map(|_| greenhub::spawn_after(LONG, || ()));
                    let _ = greenhub::as_completed(many).count();
                }),
            ],
            Greenlet::kill,
        );
    });
}

#[test]
fn a_fresh_greenlet_never_begins() {
    both_kinds_on(1, |kind| {
        let (began, drops) = (Tally::new(), Tally::new());
        let fresh = kind.spawn({
            let (began, held) = (began.clone(), drops.on_drop());
            move || {
                began.add();
                drop(held);
            }
        });
        fresh.kill();
        // Its captures are gone at once, and its end is known.
        assert_eq!(drops.get(), 1);
        assert!(fresh.is_finished());
        assert_killed(fresh);
        greenhub::yield_now();
        assert_eq!(began.get(), 0);
    });
}

#[test]
fn a_fresh_local_greenlet_drops_its_captures_at_home() {
    settled_everywhere(|| {
        let home = std::thread::current().id();
        let shared = std::rc::Rc::new(());
        let place = Arc::new(Mutex::new(None));
        let notes = OnDrop({
            let (place, shared) = (Arc::clone(&place), std::rc::Rc::clone(&shared));
            move || {
                let _ = &shared;
                *place.lock().unwrap() = Some(std::thread::current().id());
            }
        });
        let local = greenhub::spawn_local(move || drop(notes));
        let victim = local.greenlet().clone();
        std::thread::spawn(move || victim.kill()).join().unwrap();
        assert!(local.join().unwrap_err().is_killed());
        assert_eq!(*place.lock().unwrap(), Some(home));
        assert_eq!(std::rc::Rc::strong_count(&shared), 1);
    });
}

#[test]
fn a_greenlet_that_is_to_begin_later_never_begins() {
    everywhere(|_| {
        let (began, drops) = (Tally::new(), Tally::new());
        let later = greenhub::spawn_after(Duration::from_millis(1), {
            let (began, held) = (began.clone(), drops.on_drop());
            move || {
                drop(held);
                began.add();
            }
        });
        later.kill();
        let was_killed = later.join().is_err_and(|error| error.is_killed());
        greenhub::sleep(Duration::from_millis(2));
        assert_eq!((drops.get(), began.get()), (1, usize::from(!was_killed)));
    });
}

#[test]
fn a_greenlet_that_yields_is_killed_at_a_yield() {
    everywhere(|kind| {
        let (turns, drops) = (Tally::new(), Tally::new());
        let yielder = kind.spawn({
            let (turns, held) = (turns.clone(), drops.on_drop());
            move || {
                let _held = held;
                loop {
                    turns.add();
                    greenhub::yield_now();
                }
            }
        });
        eventually("it has begun", || turns.get() > 0);
        yielder.kill();
        let error = yielder.join().unwrap_err();
        assert!(error.is_killed());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_greenlet_that_only_checks_in_is_killed_at_a_checkpoint() {
    everywhere(|kind| {
        let turns = Tally::new();
        let worker = kind.spawn({
            let turns = turns.clone();
            move || {
                loop {
                    turns.add();
                    greenhub::checkpoint();
                }
            }
        });
        eventually("it has begun", || turns.get() > 0);
        worker.kill();
        assert!(worker.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_greenlet_may_kill_itself() {
    everywhere(|kind| {
        let (drops, steps) = (Tally::new(), Tally::new());
        let suicide = kind.spawn({
            let (held, steps) = (drops.on_drop(), steps.clone());
            move || {
                let _held = held;
                greenhub::current().kill();
                // Nothing happens before the next wait.
                steps.add();
                greenhub::yield_now();
                steps.add();
            }
        });
        assert_killed(suicide);
        assert_eq!((drops.get(), steps.get()), (1, 1));
    });
}

#[test]
fn a_kill_that_no_wait_follows_is_void() {
    everywhere(|kind| {
        let proud = kind.spawn(|| {
            greenhub::current().kill();
            5
        });
        assert_eq!(proud.join().unwrap(), 5);
    });
}

#[test]
fn a_kill_that_is_caught_is_delivered_again() {
    everywhere(|kind| {
        let catches = Tally::new();
        let stubborn = kind.spawn({
            let catches = catches.clone();
            move || {
                let again: [fn(); 4] = [
                    || greenhub::park(),
                    || greenhub::sleep(LONG),
                    || greenhub::yield_now(),
                    || drop(greenhub::spawn_after(LONG, || ()).join()),
                ];
                for wait in again {
                    assert!(catch_unwind(wait).is_err());
                    assert!(!std::thread::panicking());
                    catches.add();
                }
                greenhub::park();
            }
        });
        until_parked(stubborn.greenlet());
        stubborn.kill();
        assert_killed(stubborn);
        assert_eq!(catches.get(), 4);
    });
}

#[test]
fn a_kill_that_is_caught_may_be_followed_by_a_value() {
    everywhere(|kind| {
        let stubborn = kind.spawn(|| {
            let _ = catch_unwind(|| greenhub::park());
            5
        });
        until_parked(stubborn.greenlet());
        stubborn.kill();
        assert_eq!(stubborn.join().unwrap(), 5);
    });
}

#[test]
fn a_panic_that_follows_a_kill_is_a_panic() {
    everywhere(|kind| {
        let stubborn = kind.spawn(|| {
            let _ = catch_unwind(|| greenhub::park());
            panic!("on purpose");
        });
        until_parked(stubborn.greenlet());
        stubborn.kill();
        let error = stubborn.join().unwrap_err();
        assert!(error.is_panic() && error.to_string().contains("on purpose"));
    });
}

#[test]
fn a_kill_during_a_panics_unwinding_changes_nothing() {
    everywhere(|kind| {
        let steps = Tally::new();
        let panicking = kind.spawn({
            let steps = steps.clone();
            move || {
                let _waits = OnDrop(move || {
                    greenhub::current().kill();
                    greenhub::yield_now();
                    greenhub::sleep(Duration::from_micros(100));
                    steps.add();
                });
                panic!("on purpose");
            }
        });
        let error = panicking.join().unwrap_err();
        assert!(error.is_panic(), "{error}");
        assert_eq!(steps.get(), 1);
    });
}

#[test]
fn a_second_kill_during_the_unwinding_changes_nothing() {
    everywhere(|kind| {
        let (unwinding, go_on, steps) = (Gate::new(), Gate::new(), Tally::new());
        let victim = kind.spawn({
            let (unwinding, go_on, steps) = (unwinding.clone(), go_on.clone(), steps.clone());
            move || {
                let _second = OnDrop(|| steps.add());
                let _first = OnDrop(|| {
                    unwinding.open();
                    // It may not park now, so it would block the hub of whoever opens the gate.
                    greenhub::current().kill();
                    greenhub::sleep(Duration::from_micros(100));
                    go_on.open();
                    steps.add();
                });
                greenhub::park();
            }
        });
        until_parked(victim.greenlet());
        victim.kill();
        unwinding.pass();
        victim.kill();
        go_on.pass();
        assert_killed(victim);
        assert_eq!(steps.get(), 2);
    });
}

#[test]
fn killing_what_has_ended_is_harmless() {
    everywhere(|kind| {
        let ended = kind.spawn(|| 5);
        eventually("it ends", || ended.is_finished());
        ended.kill();
        ended.greenlet().kill();
        let greenlet = ended.greenlet().clone();
        assert_eq!(ended.join().unwrap(), 5);
        greenlet.kill();

        let panicked = kind.spawn(|| panic!("on purpose"));
        eventually("it ends", || panicked.is_finished());
        panicked.kill();
        assert!(panicked.join().unwrap_err().is_panic());
    });
}

#[test]
fn killing_twice_is_killing_once() {
    everywhere(|kind| {
        let drops = Tally::new();
        let victim = kind.spawn({
            let held = drops.on_drop();
            move || {
                let _held = held;
                greenhub::park();
            }
        });
        until_parked(victim.greenlet());
        (0..3).for_each(|_| victim.kill());
        assert_killed(victim);
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_wait_that_is_over_is_not_undone_by_a_kill() {
    both_kinds_on(1, |kind| {
        // On one hub both happen before the joiner can run.
        let joined = Arc::new(Mutex::new(None));
        let gate = Gate::new();
        let giver = kind.spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                String::from("precious")
            }
        });
        let given = giver.greenlet().clone();
        let joiner = kind.spawn({
            let joined = Arc::clone(&joined);
            move || {
                let value = giver.join().unwrap();
                *joined.lock().unwrap() = Some(value);
                greenhub::yield_now();
            }
        });
        let victim = joiner.greenlet().clone();
        until_parked_in(&victim, "join");
        gate.open();
        eventually("the value is there", || {
            let done = format!("{given:?}").contains("Done");
            if done {
                victim.kill();
            }
            done
        });
        assert_killed(joiner);
        assert_eq!(joined.lock().unwrap().as_deref(), Some("precious"));
    });
}

#[test]
fn a_killed_joiner_leaves_the_other_alone() {
    everywhere(|kind| {
        let (gate, ended) = (Gate::new(), Tally::new());
        let other = kind.spawn({
            let (gate, ended) = (gate.clone(), ended.clone());
            move || {
                gate.pass();
                ended.add();
            }
        });
        let joiner = kind.spawn(move || other.join().unwrap());
        until_parked_in(joiner.greenlet(), "join");
        joiner.kill();
        assert_killed(joiner);
        gate.open();
        eventually("the other goes on", || ended.get() == 1);
    });
}

#[test]
fn a_killed_greenlet_leaves_those_that_it_spawned_alone() {
    everywhere(|kind| {
        let (gate, ended, spawned) = (Gate::new(), Tally::new(), Tally::new());
        let parent = kind.spawn({
            let (gate, ended, spawned) = (gate.clone(), ended.clone(), spawned.clone());
            move || {
                drop(kind.spawn(move || {
                    spawned.add();
                    gate.pass();
                    ended.add();
                }));
                greenhub::park();
            }
        });
        until_parked_in(parent.greenlet(), "park");
        eventually("the child has begun", || spawned.get() == 1);
        parent.kill();
        assert_killed(parent);
        gate.open();
        eventually("the child goes on", || ended.get() == 1);
    });
}

#[test]
fn compute_greenlets_are_killed_too() {
    let _watchdog = Watchdog::new();
    runtime(2).run(|| {
        let parked = greenhub::spawn_compute(greenhub::park);
        until_parked(parked.greenlet());
        parked.kill();
        assert_killed(parked);
    });
}

#[test]
fn a_kill_is_told_apart_from_a_panic_by_its_message() {
    both_kinds(|kind| {
        let named = kind.builder().name("victim".into());
        let victim = named.spawn(greenhub::park).unwrap();
        victim.kill();
        let error = victim.join().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("'victim'") && text.contains("was killed"));
        assert!(format!("{error:?}").contains("was killed"));
        assert_eq!(error.greenlet().name(), Some("victim"));
        let error = error.try_into_panic().unwrap_err();
        let message = common::panic_of(AssertUnwindSafe(|| error.into_panic()));
        assert!(message.contains("was killed"), "{message}");
    });
}

#[test]
fn a_kill_prints_nothing() {
    let output = in_child("a_kill_prints_nothing", &[], || {
        std::panic::set_hook(Box::new(|info| eprintln!("the hook was called: {info}")));
        for hubs in [1, 2] {
            runtime(hubs).run(|| {
                for kind in Kind::BOTH {
                    killed_while_parked(kind, &waits(), Greenlet::kill);
                    let fresh = kind.spawn(greenhub::park);
                    fresh.kill();
                    assert_killed(fresh);
                    // Those that are left are killed by the runtime's end.
                    drop(kind.spawn(greenhub::park));
                }
            });
        }
    });
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stderr(&output), "");
}
