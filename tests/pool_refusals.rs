//! Groups and pools whose spawns are refused, and whose closures' destructors come back to them.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use common::{CountsDrop, Gate, Kind, OnDrop, Tally, Watchdog, eventually, panic_of};
use greenhub::pool::{Group, Pool};
use greenhub::runtime::Runtime;

/// Runs the scenario as a greenlet of either kind, where so many greenlets may be alive; the scenario itself is two of them.
#[track_caller]
fn among(greenlets: usize, hubs: usize, scenario: fn(Kind)) {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = Runtime::builder()
            .hubs(hubs)
            .max_greenlets(greenlets)
            .build()
            .unwrap();
        runtime.run(|| kind.spawn(move || scenario(kind)).join().unwrap());
    }
}

/// That many more greenlets may be alive.
fn room() -> usize {
    let held: Vec<_> = std::iter::from_fn(|| greenhub::Builder::new().spawn(greenhub::park).ok())
        .take(100)
        .collect();
    held.iter().for_each(|one| one.greenlet().unpark());
    let room = held.len();
    held.into_iter().for_each(|one| one.join().unwrap());
    room
}

/// On the old code: `Ok([1, 3])` where the members were 1, 2 and 3.
#[test]
fn a_refused_member_costs_no_other_its_value() {
    among(4, 1, |_| {
        let group = Group::new();
        let gate = Gate::new();
        let waits = gate.clone();
        group.spawn(|| 1);
        let second = group.spawn(move || {
            waits.pass();
            2
        });
        let refused = panic_of(|| group.spawn(|| unreachable!()));
        assert!(refused.contains("too many greenlets"), "{refused}");
        gate.open();
        eventually("there is room", || {
            format!("{second:?}").contains("Done") && room() == 2
        });
        group.spawn(|| 3);
        assert_eq!(group.join().unwrap(), [1, 2, 3]);
    });
}

/// On the old code `join` panicked with an index that was out of bounds.
#[test]
fn a_group_whose_last_spawn_was_refused_is_joined() {
    among(4, 1, |_| {
        let group = Group::new();
        for value in 0..2 {
            group.spawn(move || value);
        }
        for _ in 0..5 {
            panic_of(|| group.spawn(|| unreachable!()));
        }
        assert!(group.len() <= 2);
        assert_eq!(group.join().unwrap(), [0, 1]);

        let group = Group::new();
        eventually("there is room", || room() == 2);
        for value in 0..2 {
            group.spawn(move || value);
        }
        panic_of(|| group.spawn(|| unreachable!()));
        let values: Vec<_> = group.join_all().into_iter().map(Result::unwrap).collect();
        assert_eq!(values, [0, 1]);
    });
}

/// The failure that counts is the real one, also where a refusal came before it.
#[test]
fn a_failure_after_a_refusal_is_reported_and_ends_the_others() {
    among(4, 1, |_| {
        let (group, tally) = (Group::new(), Tally::new());
        let on_drop = tally.on_drop();
        group.spawn(move || {
            let _on_drop = on_drop;
            greenhub::park();
        });
        let gate = Gate::new();
        let waits = gate.clone();
        group.spawn(move || {
            waits.pass();
            panic!("the real one");
        });
        panic_of(|| group.spawn(|| unreachable!()));
        gate.open();
        let error = group.join().unwrap_err();
        assert!(error.to_string().contains("the real one"), "{error}");
        assert_eq!(tally.get(), 1, "the other has ended");
    });
}

/// On the old code it waited for the group's own lock, for ever.
#[test]
fn a_refused_closure_may_kill_its_group_as_it_is_dropped() {
    among(4, 1, |_| {
        let group = Arc::new(Group::new());
        for _ in 0..2 {
            group.spawn(greenhub::park);
        }
        let other = Arc::clone(&group);
        let calls_back = OnDrop(move || {
            assert_eq!(other.len(), 3, "it counts until it is gone");
            other.kill();
            panic_of(|| other.spawn(|| ()));
        });
        panic_of(|| {
            group.spawn(move || {
                let _calls_back = calls_back;
            })
        });
        let group = Arc::into_inner(group).expect("the closure is gone");
        for result in group.join_all() {
            assert!(result.unwrap_err().is_killed());
        }
    });
}

#[test]
fn a_refused_closure_may_use_its_pool_as_it_is_dropped() {
    among(4, 1, |_| {
        let pool = Arc::new(Pool::new(10));
        let occupants = [pool.spawn(greenhub::park), pool.spawn(greenhub::park)];
        let other = Arc::clone(&pool);
        let calls_back = OnDrop(move || {
            // Its own slot among them.
            assert_eq!((other.len(), other.free_count()), (3, 7));
            panic_of(|| other.spawn(|| ()));
            panic_of(|| other.try_spawn(|| ()).map(drop));
            other.kill();
        });
        let refused = panic_of(|| {
            pool.spawn(move || {
                let _calls_back = calls_back;
            })
        });
        assert!(refused.contains("too many greenlets"), "{refused}");
        for occupant in occupants {
            assert!(occupant.join().unwrap_err().is_killed());
        }
        eventually("all slots are back", || pool.free_count() == 10);
    });
}

/// A closure whose destructor panics must not cost the group or the pool anything either.
#[test]
fn a_refused_closure_may_panic_as_it_is_dropped() {
    among(3, 1, |_| {
        let (group, pool) = (Group::new(), Pool::new(5));
        group.spawn(|| 7);
        let bomb = || OnDrop(|| panic!("dropped"));
        let (first, second) = (bomb(), bomb());
        let message = panic_of(|| {
            group.spawn(move || {
                let _first = first;
                0
            })
        });
        assert_eq!(message, "dropped");
        let message = panic_of(|| {
            pool.spawn(move || {
                let _second = second;
            })
        });
        assert_eq!(message, "dropped");
        assert_eq!(group.join().unwrap(), [7]);
        eventually("its slot is back", || pool.free_count() == 5);
    });
}

/// What was under way is yielded after a refusal. On the old code the end of the refused one was taken for that of the next, and
/// `next` waited for that one, whatever else had ended.
#[test]
fn imap_goes_on_after_a_refused_spawn() {
    among(5, 1, |_| {
        let pool = Pool::new(3);
        let hold = greenhub::spawn(greenhub::park);
        let (early, late) = (Gate::new(), Gate::new());
        let gates = (early.clone(), late.clone());
        let mut results = pool.imap_unordered(0.., move |i| {
            if i < 3 {
                gates.0.pass();
            } else {
                gates.1.pass();
            }
            i
        });
        // Two have room, and the third has a slot, but may not be spawned.
        let refused = panic_of(|| results.next());
        assert!(refused.contains("too many greenlets"), "{refused}");
        hold.greenlet().unpark();
        hold.join().unwrap();
        early.open();
        let mut ended = [results.next(), results.next()].map(|next| next.unwrap().unwrap());
        ended.sort_unstable();
        assert_eq!(ended, [0, 1]);
        late.open();
    });
}

#[test]
fn a_scope_goes_on_after_a_refused_spawn() {
    among(4, 1, |_| {
        let tally = Tally::new();
        let sum = AtomicUsize::new(0);
        greenhub::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| sum.fetch_add(1, Ordering::Relaxed));
            }
            let on_drop = tally.on_drop();
            panic_of(|| s.spawn(move || drop::<CountsDrop>(on_drop)));
            assert_eq!(tally.get(), 1, "the refused closure is gone");
            // The destructor of one that is refused spawns another, in the same scope.
            let other = OnDrop(|| {
                let refused = greenhub::Builder::new().spawn_scoped(s, || ());
                assert!(refused.is_err());
                tally.add();
            });
            panic_of(|| {
                s.spawn(move || {
                    let _other = other;
                })
            });
            assert_eq!(tally.get(), 2);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 2);
    });
}

/// A member that kills its group is killed itself, however early it does so: also before its spawner has come back.
#[test]
fn a_member_that_kills_its_group_is_killed_itself() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder().hubs(2).build().unwrap();
    runtime.run(|| {
        for _ in 0..2000 {
            let group = Arc::new(Group::<()>::new());
            let other: Weak<Group<()>> = Arc::downgrade(&group);
            group.spawn(move || {
                other.upgrade().expect("the spawner has it").kill();
                greenhub::park();
            });
            eventually("the kill reaches it", || group.is_empty());
        }
    });
}

/// Members that end, fail, are killed and are refused, all at once: each value is where it belongs.
#[test]
fn spawns_refused_at_random_lose_nothing() {
    among(12, 2, |kind| {
        for round in 0..300 {
            let group = Arc::new(Group::new());
            let spawners: Vec<_> = (0..3)
                .map(|spawner| {
                    let group = Arc::clone(&group);
                    kind.builder()
                        .spawn(move || {
                            let mut spawned = 0;
                            for i in 0..8 {
                                let one =
                                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                                        group.spawn(move || {
                                            greenhub::yield_now();
                                            (spawner, i)
                                        })
                                    }));
                                spawned += usize::from(one.is_ok());
                                if (round + i) % 3 == 0 {
                                    greenhub::yield_now();
                                }
                            }
                            spawned
                        })
                        .unwrap()
                })
                .collect();
            let spawned: usize = spawners.into_iter().map(|one| one.join().unwrap()).sum();
            let group = Arc::into_inner(group).expect("the spawners have ended");
            let values = group.join().expect("none has failed");
            assert_eq!(values.len(), spawned);
            for spawner in 0..3 {
                let of_one = values.iter().filter(|value| value.0 == spawner);
                assert!(of_one.is_sorted(), "{values:?}");
            }
            eventually("they are gone", || {
                greenhub::runtime::Handle::current().metrics().alive() <= 2
            });
        }
    });
}
