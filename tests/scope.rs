//! `scope`: greenlets that borrow, as std's scoped threads do.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Gate, Kind, OnDrop, Tally, Watchdog, everywhere, panic_of, runtime, until_parked_in};

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

#[test]
fn scoped_greenlets_borrow() {
    everywhere(|_| {
        let mut numbers = vec![1, 2, 3];
        let mut sum = 0;
        let result = greenhub::scope(|s| {
            let length = s.spawn(|| numbers.len());
            s.spawn(|| sum = numbers.iter().sum());
            length.join().unwrap()
        });
        numbers.push(sum);
        assert_eq!((result, &*numbers), (3, &[1, 2, 3, 6][..]));
    });
}

#[test]
fn scoped_greenlets_change_what_they_borrow() {
    everywhere(|_| {
        let mut cells = [0; 32];
        greenhub::scope(|s| {
            for (i, cell) in cells.iter_mut().enumerate() {
                s.spawn(move || {
                    greenhub::yield_now();
                    *cell = i;
                });
            }
        });
        assert!(cells.iter().copied().eq(0..32));
    });
}

#[test]
fn a_scope_waits_for_greenlets_that_nobody_joins() {
    everywhere(|_| {
        let ended = Tally::new();
        greenhub::scope(|s| {
            for _ in 0..10 {
                drop(s.spawn(|| {
                    greenhub::sleep(Duration::from_millis(2));
                    ended.add();
                }));
            }
        });
        assert_eq!(ended.get(), 10);
    });
}

#[test]
fn scoped_greenlets_spawn_into_their_scope() {
    everywhere(|_| {
        let count = AtomicUsize::new(0);
        greenhub::scope(|s| {
            s.spawn(|| {
                count.fetch_add(1, Ordering::Relaxed);
                s.spawn(|| {
                    greenhub::yield_now();
                    count.fetch_add(1, Ordering::Relaxed);
                    s.spawn(|| count.fetch_add(1, Ordering::Relaxed));
                });
            });
        });
        assert_eq!(count.into_inner(), 3);
    });
}

#[test]
fn scopes_nest() {
    everywhere(|_| {
        let words = Mutex::new(vec!["outside"]);
        greenhub::scope(|outer| {
            outer.spawn(|| {
                let local = String::from("inside");
                let length = greenhub::scope(|inner| inner.spawn(|| local.len()).join().unwrap());
                assert_eq!(length, 6);
                words.lock().unwrap().push("done");
            });
        });
        assert_eq!(words.into_inner().unwrap(), ["outside", "done"]);
    });
}

#[test]
fn a_scope_without_greenlets_returns_its_value() {
    everywhere(|_| assert_eq!(greenhub::scope(|_| "value"), "value"));
}

#[test]
fn a_scope_works_on_an_os_thread() {
    let _watchdog = Watchdog::new();
    let mut numbers = vec![3, 1, 2];
    let largest = greenhub::scope(|s| {
        let largest = s.spawn(|| numbers.iter().max().copied());
        s.spawn(|| greenhub::sleep(Duration::from_millis(2)));
        largest.join().unwrap()
    });
    numbers.sort_unstable();
    assert_eq!((largest, &*numbers), (Some(3), &[1, 2, 3][..]));
}

#[test]
fn a_panic_that_nobody_joins_is_the_scopes() {
    everywhere(|_| {
        let others = Tally::new();
        let message = panic_of(|| {
            greenhub::scope(|s| {
                s.spawn(|| panic!("on purpose"));
                s.spawn(|| {
                    greenhub::sleep(Duration::from_millis(1));
                    others.add();
                });
            });
        });
        assert_eq!((&*message, others.get()), ("a scoped greenlet panicked", 1));
    });
}

#[test]
fn a_panic_that_is_joined_is_not_the_scopes() {
    everywhere(|_| {
        let error = greenhub::scope(|s| s.spawn(|| panic!("on purpose")).join().unwrap_err());
        assert!(
            error.is_panic() && error.to_string().contains("on purpose"),
            "{error}"
        );
    });
}

#[test]
fn a_greenlet_that_is_killed_is_no_panic() {
    everywhere(|_| {
        greenhub::scope(|s| {
            let parked = s.spawn(greenhub::park);
            until_parked_in(parked.greenlet(), "park");
            parked.kill();
            drop(parked);
            let fresh = s.spawn(|| ());
            fresh.kill();
        });
    });
}

#[test]
fn a_joined_panic_from_the_destructor_of_a_capture_is_not_the_scopes() {
    common::both_kinds_on(1, |_| {
        greenhub::scope(|s| {
            let bomb = PanicsOnDrop;
            // On one hub it is still fresh when it is killed, so the bomb goes off in the kill.
            let fresh = s.spawn(move || drop(bomb));
            fresh.kill();
            assert!(fresh.join().unwrap_err().is_panic());
        });
    });
}

#[test]
fn a_joined_panic_from_the_destructor_of_a_local_is_not_the_scopes() {
    greenhub::greenlet_local! {
        static BOMB: std::cell::RefCell<Option<PanicsOnDrop>> = std::cell::RefCell::new(None);
    }
    everywhere(|_| {
        greenhub::scope(|s| {
            let ended = s.spawn(|| BOMB.set(Some(PanicsOnDrop)));
            assert!(ended.join().unwrap_err().is_panic());
        });
    });
}

#[test]
fn an_unjoined_panic_from_the_destructor_of_a_local_is_the_scopes() {
    greenhub::greenlet_local! {
        static BOMB: std::cell::RefCell<Option<PanicsOnDrop>> = std::cell::RefCell::new(None);
    }
    everywhere(|_| {
        let message = panic_of(|| {
            greenhub::scope(|s| {
                s.spawn(|| BOMB.set(Some(PanicsOnDrop)));
            });
        });
        assert_eq!(message, "a scoped greenlet panicked");
    });
}

#[test]
fn a_panic_of_the_scopes_closure_waits_for_its_greenlets() {
    everywhere(|_| {
        let ended = Tally::new();
        let message = panic_of(|| {
            greenhub::scope(|s| {
                for _ in 0..5 {
                    s.spawn(|| {
                        greenhub::sleep(Duration::from_millis(1));
                        ended.add();
                    });
                }
                panic!("the closure");
            });
        });
        assert_eq!((&*message, ended.get()), ("the closure", 5));
    });
}

#[test]
fn the_closures_panic_goes_before_a_greenlets() {
    everywhere(|_| {
        let message = panic_of(|| {
            greenhub::scope(|s| {
                s.spawn(|| panic!("a greenlet"));
                panic!("the closure");
            });
        });
        assert_eq!(message, "the closure");
    });
}

#[test]
fn a_scope_that_is_killed_waits_for_its_greenlets() {
    everywhere(|kind| {
        let (gate, ended) = (Gate::new(), Tally::new());
        let owner = kind.spawn({
            let (gate, ended) = (gate.clone(), ended.clone());
            move || {
                let borrowed = [1, 2, 3];
                greenhub::scope(|s| {
                    for _ in 0..4 {
                        s.spawn(|| {
                            gate.pass();
                            assert_eq!(borrowed.len(), 3);
                            ended.add();
                        });
                    }
                    greenhub::park();
                });
            }
        });
        until_parked_in(owner.greenlet(), "park");
        owner.kill();
        until_parked_in(owner.greenlet(), "scope");
        owner.kill();
        owner.greenlet().unpark();
        for _ in 0..10 {
            greenhub::yield_now();
        }
        assert!(!owner.is_finished());
        assert_eq!(ended.get(), 0);
        gate.open();
        assert!(owner.join().unwrap_err().is_killed());
        assert_eq!(ended.get(), 4);
    });
}

#[test]
fn a_kill_during_the_wait_is_delivered_after_the_scope() {
    everywhere(|kind| {
        let (gate, after) = (Gate::new(), Tally::new());
        let owner = kind.spawn({
            let (gate, after) = (gate.clone(), after.clone());
            move || {
                greenhub::scope(|s| drop(s.spawn(|| gate.pass())));
                after.add();
                greenhub::park();
                after.add();
            }
        });
        until_parked_in(owner.greenlet(), "scope");
        owner.kill();
        gate.open();
        assert!(owner.join().unwrap_err().is_killed());
        assert_eq!(after.get(), 1);
    });
}

#[test]
fn captures_that_use_what_they_borrow_are_dropped_within_the_scope() {
    everywhere(|_| {
        for killed in [false, true] {
            let drops = Mutex::new(0);
            greenhub::scope(|s| {
                for _ in 0..20 {
                    let capture = OnDrop(|| {
                        greenhub::yield_now();
                        *drops.lock().unwrap() += 1;
                    });
                    let handle = s.spawn(move || {
                        let _capture = &capture;
                        greenhub::yield_now();
                    });
                    if killed {
                        handle.kill();
                    }
                }
            });
            assert_eq!(*drops.lock().unwrap(), 20, "killed: {killed}");
        }
    });
}

#[test]
fn a_detached_value_that_uses_what_it_borrows_is_dropped_within_the_scope() {
    everywhere(|_| {
        let drops = Mutex::new(0);
        greenhub::scope(|s| {
            for i in 0..20 {
                let handle = s.spawn(|| {
                    greenhub::yield_now();
                    OnDrop(|| *drops.lock().unwrap() += 1)
                });
                if i % 2 == 0 {
                    drop(handle);
                } else {
                    // Dropped when it has ended, too.
                    common::eventually("it ends", || handle.is_finished());
                }
            }
        });
        assert_eq!(*drops.lock().unwrap(), 20);
    });
}

#[test]
fn a_value_may_borrow() {
    everywhere(|_| {
        let text = String::from("a b c");
        let words: Vec<&str> =
            greenhub::scope(|s| s.spawn(|| text.split(' ').collect()).join().unwrap());
        assert_eq!(words, ["a", "b", "c"]);
    });
}

#[test]
fn join_timeout_gives_a_scoped_handle_back() {
    everywhere(|_| {
        let gate = Gate::new();
        greenhub::scope(|s| {
            let handle = s.spawn(|| {
                gate.pass();
                5
            });
            let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
            gate.open();
            assert_eq!(handle.join_timeout(common::LIMIT).unwrap().unwrap(), 5);
        });
    });
}

#[test]
fn a_scope_whose_greenlet_cannot_be_spawned_is_left_in_order() {
    let _watchdog = Watchdog::new();
    let runtime = greenhub::runtime::Runtime::builder()
        .hubs(1)
        .max_greenlets(2)
        .build()
        .unwrap();
    runtime.run(|| {
        let ended = Tally::new();
        let message = catch_unwind(AssertUnwindSafe(|| {
            greenhub::scope(|s| {
                s.spawn(|| ended.add());
                s.spawn(|| ended.add());
            });
        }))
        .map_err(|payload| common::text(&*payload).to_owned())
        .unwrap_err();
        assert!(message.contains("too many greenlets"), "{message}");
        assert_eq!(ended.get(), 1);
    });
}

#[test]
fn a_scope_in_a_runtime_that_is_dropped_ends() {
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let drops = Tally::new();
        let runtime = runtime(hubs);
        runtime.run(|| {
            let drops = drops.clone();
            let owner = kind.spawn(move || {
                let borrowed = drops.on_drop();
                greenhub::scope(|s| {
                    for _ in 0..8 {
                        s.spawn(|| {
                            let _borrowed = &borrowed;
                            greenhub::park();
                        });
                    }
                });
            });
            until_parked_in(owner.greenlet(), "scope");
        });
        drop(runtime);
        assert_eq!(drops.get(), 1);
    }
}
