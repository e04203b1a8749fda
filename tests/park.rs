//! `park`, `unpark` and their permit.

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{
    Gate, Kind, Tally, Watchdog, both_kinds, both_kinds_on, eventually, everywhere, runtime,
    until_parked_in,
};
use greenhub::{Greenlet, JoinHandle};

/// Far longer than any test lasts.
const LONG: Duration = Duration::from_secs(3_600);

/// What waits without a word to anyone: none of it may take the permit.
fn waits() -> [(&'static str, fn()); 5] {
    [
        ("yield_now", || {
            (0..10).for_each(|_| greenhub::yield_now());
        }),
        ("sleep", || greenhub::sleep(Duration::from_micros(200))),
        ("join", || {
            greenhub::spawn(|| greenhub::sleep(Duration::from_micros(100)))
                .join()
                .unwrap();
        }),
        ("join_timeout", || {
            let endless = greenhub::spawn(greenhub::park);
            let endless = endless
                .join_timeout(Duration::from_micros(100))
                .unwrap_err();
            endless.kill();
        }),
        ("scope", || {
            greenhub::scope(|s| {
                s.spawn(|| greenhub::sleep(Duration::from_micros(100)));
            });
        }),
    ]
}

/// Spawns a greenlet that has passed `gate` by the time it parks, `parks` times; it counts each return.
fn parker(kind: Kind, gate: &Gate, parks: usize, returns: &Tally) -> JoinHandle<()> {
    let (gate, returns) = (gate.clone(), returns.clone());
    kind.spawn(move || {
        gate.pass();
        for _ in 0..parks {
            greenhub::park();
            returns.add();
        }
    })
}

#[test]
fn an_unpark_before_the_park_lets_it_return() {
    everywhere(|kind| {
        let (gate, returns) = (Gate::new(), Tally::new());
        let parker = parker(kind, &gate, 1, &returns);
        parker.greenlet().unpark();
        gate.open();
        parker.join().unwrap();
    });
}

#[test]
fn an_unpark_before_the_first_slice_lets_the_first_park_return() {
    both_kinds_on(1, |kind| {
        // On one hub it cannot have begun.
        let fresh = kind.spawn(greenhub::park);
        assert!(format!("{fresh:?}").contains("Fresh"), "{fresh:?}");
        fresh.greenlet().unpark();
        fresh.join().unwrap();
    });
}

#[test]
fn any_number_of_unparks_is_one_permit() {
    everywhere(|kind| {
        let (gate, returns) = (Gate::new(), Tally::new());
        let parker = parker(kind, &gate, 2, &returns);
        for _ in 0..5 {
            parker.greenlet().unpark();
        }
        gate.open();
        eventually("the first park returns", || returns.get() == 1);
        until_parked_in(parker.greenlet(), "park");
        assert_eq!(returns.get(), 1);
        parker.greenlet().unpark();
        parker.join().unwrap();
        assert_eq!(returns.get(), 2);
    });
}

#[test]
fn a_greenlet_may_unpark_itself() {
    everywhere(|kind| {
        let body = || {
            for _ in 0..3 {
                greenhub::current().unpark();
                greenhub::park();
            }
        };
        kind.spawn(body).join().unwrap();
    });
}

#[test]
fn the_permit_outlives_every_other_wait() {
    everywhere(|kind| {
        for (name, wait) in waits() {
            let (gate, passed) = (Gate::new(), Tally::new());
            let parker = kind.spawn({
                let (gate, passed) = (gate.clone(), passed.clone());
                move || {
                    gate.pass();
                    wait();
                    passed.add();
                    greenhub::park();
                    passed.add();
                    greenhub::park();
                }
            });
            parker.greenlet().unpark();
            gate.open();
            eventually(name, || passed.get() == 2);
            // The permit is used up: the second park waits.
            until_parked_in(parker.greenlet(), "park");
            parker.greenlet().unpark();
            parker.join().unwrap();
        }
    });
}

#[test]
fn an_unpark_during_another_wait_neither_ends_it_nor_is_lost() {
    everywhere(|kind| {
        let (gate, joined) = (Gate::new(), Tally::new());
        let slow = kind.spawn({
            let gate = gate.clone();
            move || gate.pass()
        });
        let joiner = kind.spawn({
            let joined = joined.clone();
            move || {
                slow.join().unwrap();
                joined.add();
                greenhub::park();
            }
        });
        for _ in 0..3 {
            until_parked_in(joiner.greenlet(), "join");
            joiner.greenlet().unpark();
            (0..5).for_each(|_| greenhub::yield_now());
        }
        assert_eq!(joined.get(), 0);
        gate.open();
        joiner.join().unwrap();
        assert_eq!(joined.get(), 1);
    });
}

#[test]
fn an_unpark_does_not_cut_a_sleep_short() {
    everywhere(|kind| {
        const NAP: Duration = Duration::from_millis(5);
        let sleeper = kind.spawn(|| {
            let began = Instant::now();
            greenhub::sleep(NAP);
            assert!(began.elapsed() >= NAP);
            let deadline = Instant::now() + NAP;
            greenhub::sleep_until(deadline);
            assert!(Instant::now() >= deadline);
        });
        while !sleeper.is_finished() {
            sleeper.greenlet().unpark();
            greenhub::yield_now();
        }
        sleeper.join().unwrap();
    });
}

#[test]
fn park_timeout_ends_at_its_deadline_and_not_before() {
    everywhere(|kind| {
        let body = || {
            let (began, limit) = (Instant::now(), Duration::from_millis(2));
            greenhub::park_timeout(limit);
            assert!(began.elapsed() >= limit);
            greenhub::park_timeout(Duration::ZERO);
        };
        kind.spawn(body).join().unwrap();
    });
}

#[test]
fn park_timeout_ends_with_an_unpark() {
    everywhere(|kind| {
        for limit in [LONG, Duration::MAX] {
            let parker = kind.spawn(move || greenhub::park_timeout(limit));
            until_parked_in(parker.greenlet(), "park");
            parker.greenlet().unpark();
            parker.join().unwrap();
        }
    });
}

#[test]
fn park_timeout_takes_the_permit_even_without_time() {
    everywhere(|kind| {
        let parker = kind.spawn(|| {
            greenhub::current().unpark();
            greenhub::park_timeout(Duration::ZERO);
            greenhub::park();
        });
        until_parked_in(parker.greenlet(), "park");
        parker.greenlet().unpark();
        parker.join().unwrap();
    });
}

#[test]
fn a_timer_that_has_lost_does_not_wake_a_later_wait() {
    everywhere(|kind| {
        const LIMIT: Duration = Duration::from_millis(2);
        let (begun, unparked, drained, returns) =
            (Gate::new(), Gate::new(), Gate::new(), Tally::new());
        let parker = kind.spawn({
            let (begun, unparked) = (begun.clone(), unparked.clone());
            let (drained, returns) = (drained.clone(), returns.clone());
            move || {
                begun.open();
                greenhub::park_timeout(LIMIT);
                // Should the timer have won after all, the permit is still there.
                unparked.pass();
                greenhub::park_timeout(Duration::ZERO);
                drained.open();
                greenhub::park();
                returns.add();
            }
        });
        begun.pass();
        greenhub::yield_now();
        parker.greenlet().unpark();
        unparked.open();
        drained.pass();
        greenhub::sleep(2 * LIMIT);
        until_parked_in(parker.greenlet(), "park");
        assert_eq!(returns.get(), 0);
        parker.greenlet().unpark();
        parker.join().unwrap();
    });
}

#[test]
fn unparking_what_has_ended_is_harmless() {
    everywhere(|kind| {
        let returned = kind.spawn(|| ());
        let panicked = kind.spawn(|| panic!("on purpose"));
        let killed = kind.spawn(greenhub::park);
        killed.kill();
        let ended: Vec<Greenlet> = [&returned, &panicked, &killed]
            .map(|handle| handle.greenlet().clone())
            .into();
        for handle in [returned, panicked, killed] {
            let _ = handle.join();
        }
        for greenlet in &ended {
            (0..3).for_each(|_| greenlet.unpark());
            assert!(format!("{greenlet:?}").contains("Done"), "{greenlet:?}");
        }
        assert_eq!(kind.spawn(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn unparking_after_the_runtime_is_gone_is_harmless() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(2);
        let (parked, later) = runtime.run(|| {
            (
                kind.spawn(greenhub::park),
                greenhub::spawn_after(LONG, || ()),
            )
        });
        drop(runtime);
        for handle in [parked, later] {
            let greenlet = handle.greenlet().clone();
            greenlet.unpark();
            assert!(handle.join().unwrap_err().is_killed());
            greenlet.unpark();
            greenlet.kill();
        }
    }
}

#[test]
fn an_os_thread_unparks_greenlets() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let runtime = runtime(hubs);
        let parkers: Vec<_> = runtime.run(|| {
            (0..20)
                .map(|_| kind.spawn(|| (0..50).for_each(|_| greenhub::park())))
                .collect()
        });
        // Each unpark answers a park, so none of them is one of several that count as one.
        while parkers.iter().any(|parker| !parker.is_finished()) {
            for parker in &parkers {
                parker.greenlet().unpark();
            }
            std::thread::yield_now();
        }
        for parker in parkers {
            parker.join().unwrap();
        }
    }
}

#[test]
fn two_greenlets_play_ping_pong() {
    everywhere(|kind| {
        const ROUNDS: u32 = 2_000;
        // What a player is woken for is in its channel; it may be woken for nothing.
        let player = |inbox: mpsc::Receiver<u32>, outbox: mpsc::Sender<u32>| {
            move |other: Greenlet| {
                let mut last = 0;
                while last + 1 < ROUNDS {
                    match inbox.try_recv() {
                        Ok(ball) => {
                            assert!(ball > last || ball == 0);
                            last = ball + 1;
                            let _ = outbox.send(last);
                            other.unpark();
                        }
                        Err(mpsc::TryRecvError::Empty) => greenhub::park(),
                        Err(mpsc::TryRecvError::Disconnected) => break,
                    }
                }
                last
            }
        };
        let (to_first, first_inbox) = mpsc::channel();
        let (to_second, second_inbox) = mpsc::channel();
        let (introduce, introduction) = mpsc::channel();
        let first = player(first_inbox, to_second);
        let second = player(second_inbox, to_first.clone());
        let first = kind.spawn(move || {
            let second = loop {
                match introduction.try_recv() {
                    Ok(second) => break second,
                    Err(_) => greenhub::park(),
                }
            };
            first(second)
        });
        let opponent = first.greenlet().clone();
        let second = kind.spawn(move || second(opponent));
        introduce.send(second.greenlet().clone()).unwrap();
        to_first.send(0).unwrap();
        first.greenlet().unpark();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert!(first.max(second) == ROUNDS, "{first} and {second}");
    });
}

#[test]
fn ping_pong_does_not_starve_a_third() {
    both_kinds_on(1, |kind| {
        let stop = Gate::new();
        let play = |stop: Gate, other: Greenlet| {
            while !stop.is_open() {
                other.unpark();
                greenhub::park();
            }
            other.unpark();
        };
        let (introduce, introduction) = mpsc::channel();
        let first = kind.spawn({
            let stop = stop.clone();
            move || {
                let other = introduction.try_recv();
                play(stop, other.expect("sent before this has begun"));
            }
        });
        let second = kind.spawn({
            let (stop, other) = (stop.clone(), first.greenlet().clone());
            move || play(stop, other)
        });
        introduce.send(second.greenlet().clone()).unwrap();
        // Both a timer and a ready queue are served beside them.
        greenhub::sleep(Duration::from_millis(2));
        kind.spawn(|| (0..100).for_each(|_| greenhub::yield_now()))
            .join()
            .unwrap();
        stop.open();
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn whoever_unparks_is_seen_by_whoever_was_parked() {
    // The data go through a relaxed atomic: it is the unpark that orders them.
    both_kinds(|kind| {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};
        for round in 1..500 {
            let (word, flag) = (Arc::new(AtomicU32::new(0)), Gate::new());
            let reader = kind.spawn({
                let (word, flag) = (Arc::clone(&word), flag.clone());
                move || {
                    while !flag.is_open() {
                        greenhub::park();
                    }
                    word.load(Ordering::Relaxed)
                }
            });
            word.store(round, Ordering::Relaxed);
            flag.open();
            reader.greenlet().unpark();
            assert_eq!(reader.join().unwrap(), round);
        }
    });
}

#[test]
fn a_loop_of_waits_without_time_keeps_no_hub_to_itself() {
    both_kinds_on(1, |kind| {
        let waits: [fn(); 4] = [
            || greenhub::sleep(Duration::ZERO),
            || greenhub::sleep_until(Instant::now()),
            || greenhub::park_timeout(Duration::ZERO),
            || drop(greenhub::spawn_after(LONG, || ()).join_timeout(Duration::ZERO)),
        ];
        for wait in waits {
            let turns = Tally::new();
            let endless = kind.spawn({
                let turns = turns.clone();
                move || {
                    loop {
                        turns.add();
                        wait();
                    }
                }
            });
            eventually("it turns", || turns.get() > 3);
            endless.kill();
            assert!(endless.join().unwrap_err().is_killed());
        }
    });
}
