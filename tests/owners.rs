//! Whoever owns greenlets (a group's joiner, a scope) and is ended by a panic, a kill or a time limit waits for them before it unwinds; and
//! what an unwinding drops does not wait. On one hub anything else would be for ever.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Gate, Tally, eventually, everywhere, until_parked, until_parked_in};
use greenhub::pool::{Group, Pool};
use greenhub::sync::Event;
use greenhub::{catch_kill, timeout};

/// From no time at all to some that lets the call end.
fn limits() -> impl Iterator<Item = Duration> {
    (0..40).map(|i| Duration::from_micros(i * i / 2))
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

/// However its joiner is broken off: the members have ended before it unwinds, or it has all their values.
#[test]
fn a_group_that_is_broken_off_has_ended() {
    everywhere(|_| {
        for (i, limit) in limits().enumerate() {
            let (tally, unfinished) = (Tally::new(), Tally::new());
            let group = Group::new();
            for member in 0..5 {
                let on_drop = tally.on_drop();
                let unfinished = unfinished.clone();
                group.spawn(move || {
                    let _on_drop = on_drop;
                    // The destructor waits: for what this very hub must do.
                    let ends = common::OnDrop(|| unfinished.add());
                    work(member);
                    greenhub::sleep(limit / 2);
                    std::mem::forget(ends);
                    member
                });
            }
            let joined = timeout(limit, || {
                if i % 2 == 0 {
                    group.join().map_err(drop)
                } else {
                    Ok(group.join_all().into_iter().map(Result::unwrap).collect())
                }
            });
            assert_eq!(tally.get(), 5, "all have ended");
            match joined {
                Ok(Ok(values)) => assert!(values.into_iter().eq(0..5)),
                Ok(Err(())) => panic!("none fails by itself"),
                Err(_) => assert!(unfinished.get() <= 5),
            }
        }
    });
}

/// The same for the kill of the joiner, with members that are fresh, waiting, or go on for a while.
#[test]
fn a_killed_joiner_of_a_group_unwinds_after_its_members() {
    everywhere(|kind| {
        for round in 0..50 {
            let tally = Tally::new();
            let counts = tally.clone();
            let joiner = kind.spawn(move || {
                let group = Group::new();
                for member in 0..4 {
                    let on_drop = counts.on_drop();
                    group.spawn(move || {
                        let _on_drop = on_drop;
                        if member == 0 {
                            let _refused = catch_kill(greenhub::park);
                            greenhub::yield_now();
                        } else {
                            greenhub::park();
                        }
                    });
                }
                let _seen = common::OnDrop(|| assert_eq!(counts.get(), 4, "they have ended"));
                group.join().map(drop)
            });
            for _ in 0..round % 5 {
                greenhub::yield_now();
            }
            if round % 2 == 0 {
                until_parked(joiner.greenlet());
            }
            let greenlet = joiner.greenlet().clone();
            greenlet.kill();
            // Killed before it began it has made none.
            assert!(joiner.join().unwrap_err().is_killed());
            assert!([0, 4].contains(&tally.get()));
        }
    });
}

/// The closures of members that have not begun are dropped by the joiner, who is not unwinding yet: their destructors may wait, and are
/// not broken off. On the old code the joiner's own kill broke them off.
#[test]
fn the_destructors_of_members_that_have_not_begun_may_wait() {
    everywhere(|kind| {
        let tally = Tally::new();
        let counts = tally.clone();
        let joiner = kind.spawn(move || {
            let group = Group::new();
            greenhub::current().kill();
            for _ in 0..4 {
                let counts = counts.clone();
                let waits = common::OnDrop(move || {
                    greenhub::sleep(Duration::from_micros(50));
                    counts.add();
                });
                group.spawn(move || {
                    let _waits = waits;
                    greenhub::park();
                });
            }
            group.join().map(drop)
        });
        assert!(joiner.join().unwrap_err().is_killed());
        assert_eq!(tally.get(), 4);
    });
}

/// On one hub: what the scope's greenlets need to end is done while the scope waits, whatever ends its closure.
#[test]
fn a_scope_waits_before_it_unwinds() {
    everywhere(|kind| {
        let borrows = |how: fn(&Gate)| {
            move || {
                let (tally, gate) = (Tally::new(), Gate::new());
                greenhub::scope(|s| {
                    for i in 0..4 {
                        let (tally, gate) = (&tally, &gate);
                        s.spawn(move || {
                            work(i);
                            gate.pass();
                            work(i + 1);
                            tally.add();
                        });
                    }
                    s.spawn(|| {
                        greenhub::sleep(Duration::from_micros(200));
                        gate.open();
                    });
                    let _checked_after = common::OnDrop(|| gate.open());
                    how(&gate);
                });
                tally.get()
            }
        };
        let caught = kind
            .spawn(borrows(|_| panic!("of the closure's own")))
            .join();
        assert!(caught.unwrap_err().to_string().contains("closure's own"));
        let limited = timeout(Duration::from_micros(50), || {
            borrows(|_| {
                loop {
                    greenhub::park();
                }
            })()
        });
        assert!(limited.is_err());
        let killed = kind.spawn(borrows(|_| {
            loop {
                greenhub::park();
            }
        }));
        until_parked(killed.greenlet());
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        // Killed while the scope itself waits.
        let waiting = kind.spawn(borrows(|_| ()));
        for _ in 0..3 {
            greenhub::yield_now();
        }
        waiting.kill();
        match waiting.join() {
            Ok(ended) => assert_eq!(ended, 4),
            Err(error) => assert!(error.is_killed()),
        }
    });
}

/// The value of a scope that panics for one of its greenlets is dropped before that, and may wait: on one hub, for what only that can
/// do. On the old code it blocked the hub, for ever.
#[test]
fn the_value_of_a_scope_that_panics_may_wait_as_it_is_dropped() {
    everywhere(|kind| {
        let event = Arc::new(Event::new());
        let sets = Arc::clone(&event);
        let (dropped, count) = (Tally::new(), Tally::new());
        let counts = dropped.clone();
        let panics = kind.spawn(move || {
            let value = greenhub::scope(|s| {
                s.spawn(|| panic!("not joined by hand"));
                common::OnDrop(move || {
                    event.wait();
                    counts.add();
                })
            });
            std::mem::forget(value);
        });
        let setter = kind.spawn({
            let count = count.clone();
            move || {
                eventually("the scope's owner waits", || count.get() > 0);
                sets.set();
            }
        });
        until_parked_in(panics.greenlet(), "event");
        count.add();
        setter.join().unwrap();
        let error = panics.join().unwrap_err();
        assert!(error.to_string().contains("a scoped greenlet panicked"));
        assert_eq!(dropped.get(), 1);
    });
}

/// Makes a group, a pool and a mapping, each with a greenlet that counts its end, and then ends itself by unwinding.
fn own_and(unwind: fn(), tally: &Tally) {
    let (group, pool) = (Group::new(), Pool::new(3));
    let (in_group, in_pool) = (tally.on_drop(), tally.on_drop());
    group.spawn(move || {
        greenhub::yield_now();
        drop(in_group);
    });
    let _detached = pool.spawn(move || {
        greenhub::yield_now();
        drop(in_pool);
    });
    let in_mapping = tally.clone();
    let mut results = pool.imap(0.., move |i| {
        let _on_drop = in_mapping.on_drop();
        if i > 0 {
            greenhub::park();
        }
    });
    results.next();
    unwind();
}

/// On one hub, where whoever waited for one of its greenlets while it unwinds would do so for ever.
#[test]
fn groups_pools_and_mappings_that_an_unwinding_drops_do_not_wait() {
    everywhere(|kind| {
        let ways: [fn(&Tally); 3] = [
            |tally| own_and(|| panic!("unwinds"), tally),
            |tally| {
                own_and(
                    || {
                        greenhub::current().kill();
                        greenhub::yield_now();
                    },
                    tally,
                );
            },
            |tally| {
                let limited = timeout(Duration::from_millis(1), || {
                    own_and(|| greenhub::sleep(Duration::MAX), tally);
                });
                limited.expect("it is broken off");
            },
        ];
        for way in ways {
            let tally = Tally::new();
            let counts = tally.clone();
            assert!(kind.spawn(move || way(&counts)).join().is_err());
            // Those in the group and in the pool run on, those of the mapping are killed.
            eventually("all have ended", || tally.get() >= 3);
        }
    });
}
