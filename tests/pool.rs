//! Groups and pools.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    Gate, Tally, Watchdog, both_kinds_on, eventually, everywhere, panic_of, until_parked,
};
use greenhub::pool::{Group, Pool};
use greenhub::sync::Event;

#[test]
fn a_group_is_joined_in_the_order_of_spawning() {
    everywhere(|_| {
        let group = Group::new();
        assert!(group.is_empty());
        for i in 0..20_u64 {
            group.spawn(move || {
                greenhub::sleep(Duration::from_micros((i * 37) % 100));
                i
            });
        }
        assert_eq!(group.join().unwrap(), (0..20).collect::<Vec<_>>());
        assert_eq!(Group::<()>::new().join().unwrap(), []);
    });
}

#[test]
fn a_groups_first_failure_ends_the_others() {
    everywhere(|_| {
        let (group, tally) = (Group::new(), Tally::new());
        for _ in 0..5 {
            let on_drop = tally.on_drop();
            group.spawn(move || {
                let _on_drop = on_drop;
                greenhub::sleep(Duration::from_secs(600));
            });
        }
        group.spawn(|| panic!("the first"));
        let error = group.join().unwrap_err();
        assert!(error.is_panic() && error.to_string().contains("the first"));
        assert_eq!(tally.get(), 5, "they have ended");
    });
}

#[test]
fn a_group_gives_each_result() {
    everywhere(|_| {
        let group = Group::new();
        group.spawn(|| 1);
        let victim = group.spawn(|| {
            greenhub::sleep(Duration::from_secs(600));
            2
        });
        group.spawn(|| panic!("no value"));
        assert!(!group.is_empty());
        victim.kill();
        let results = group.join_all();
        assert_eq!(*results[0].as_ref().unwrap(), 1);
        assert!(results[1].as_ref().unwrap_err().is_killed());
        assert!(results[2].as_ref().unwrap_err().is_panic());
    });
}

#[test]
fn a_group_is_killed_as_one_and_by_the_limit_of_who_joins_it() {
    everywhere(|_| {
        let make = |tally: &Tally| {
            let group = Group::new();
            for _ in 0..10 {
                let on_drop = tally.on_drop();
                group.spawn(move || {
                    let _on_drop = on_drop;
                    greenhub::sleep(Duration::from_secs(600));
                });
            }
            group
        };
        let tally = Tally::new();
        let group = make(&tally);
        group.kill();
        assert!(group.join().unwrap_err().is_killed());
        assert_eq!(tally.get(), 10);
        let group = make(&tally);
        assert!(greenhub::timeout(Duration::from_millis(2), || group.join()).is_err());
        assert_eq!(tally.get(), 20, "all have ended before the caller goes on");
    });
}

#[test]
fn a_pool_has_room_for_so_many() {
    everywhere(|kind| {
        let pool = Arc::new(Pool::new(3));
        let running = Arc::new(AtomicUsize::new(0));
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let (pool, running) = (Arc::clone(&pool), Arc::clone(&running));
                kind.spawn(move || {
                    for i in 0..20 {
                        let running = Arc::clone(&running);
                        let one = pool.spawn(move || {
                            assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
                            greenhub::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        });
                        if i % 3 == 0 {
                            one.join().unwrap();
                        }
                    }
                })
            })
            .collect();
        spawners.into_iter().for_each(|one| one.join().unwrap());
        pool.join();
        assert_eq!((pool.len(), pool.free_count(), pool.size()), (0, 3, 3));
    });
}

#[test]
fn a_slot_comes_back_whatever_ends_a_greenlet() {
    everywhere(|_| {
        let pool = Pool::new(2);
        assert!(pool.spawn(|| panic!("ended so")).join().is_err());
        let gate = Gate::new();
        let passes = gate.clone();
        let occupants = [
            pool.spawn(move || passes.pass()),
            pool.spawn(|| greenhub::sleep(Duration::from_secs(600))),
        ];
        assert!(pool.try_spawn(|| ()).is_err());
        pool.kill();
        gate.open();
        for occupant in occupants {
            let _killed_or_not = occupant.join();
        }
        eventually("both slots are back", || pool.free_count() == 2);
        // Killed before it began.
        let late = pool.spawn(|| ());
        late.kill();
        let _killed_or_not = late.join();
        eventually("the slot is back", || pool.free_count() == 2);
    });
}

#[test]
fn a_pool_maps_in_order() {
    everywhere(|_| {
        let pool = Pool::new(4);
        let results = pool.map(0..50_u64, |i| {
            greenhub::sleep(Duration::from_micros((i * 31) % 70));
            assert!(i != 33, "not this one");
            i * 2
        });
        for (i, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, 2 * i as u64),
                Err(error) => assert!(i == 33 && error.is_panic()),
            }
        }
    });
}

#[test]
fn imap_yields_in_order_and_looks_ahead_a_little() {
    everywhere(|_| {
        let pool = Pool::new(3);
        let pulled = AtomicUsize::new(0);
        let endless = (0_u64..).inspect(|_| {
            pulled.fetch_add(1, Ordering::SeqCst);
        });
        let mut results = pool.imap(endless, |i| {
            greenhub::sleep(Duration::from_micros((i * 53) % 90));
            i
        });
        for i in 0..100 {
            assert_eq!(results.next().unwrap().unwrap(), i);
            let ahead = pulled.load(Ordering::SeqCst) as u64 - i;
            assert!(ahead <= 7, "{ahead} ahead");
        }
        drop(results);
        eventually("those under way are killed", || pool.is_empty());
    });
}

/// One slow item does not keep the others from going on: the pool stays full behind it, as far as the look-ahead goes.
#[test]
fn imap_goes_on_behind_a_slow_item() {
    everywhere(|_| {
        let (pool, event, others) = (Pool::new(2), Arc::new(Event::new()), Tally::new());
        let (released, count) = (Arc::clone(&event), others.clone());
        let slow_first = pool.imap(0..4, move |i| {
            if i == 0 {
                released.wait();
            } else {
                count.add();
            }
            i
        });
        let consumer = greenhub::scope(|s| {
            let consumer = s.spawn(|| slow_first.map(Result::unwrap).collect::<Vec<_>>());
            eventually("three have passed the slow one", || others.get() == 3);
            event.set();
            consumer.join().unwrap()
        });
        assert_eq!(consumer, [0, 1, 2, 3]);
    });
}

/// The same where many end at once: nobody but the slow one is left to wake the consumer.
#[test]
fn imap_fills_the_pool_again_whatever_ends_at_once() {
    everywhere(|_| {
        let (pool, event, others) = (Pool::new(16), Arc::new(Event::new()), Tally::new());
        let (released, count) = (Arc::clone(&event), others.clone());
        let slow_first = pool.imap(0..32, move |i| {
            if i == 0 {
                released.wait();
            } else {
                count.add();
            }
            i
        });
        greenhub::scope(|s| {
            let consumer = s.spawn(|| slow_first.map(Result::unwrap).collect::<Vec<_>>());
            eventually("all have passed the slow one", || others.get() == 31);
            event.set();
            assert!(consumer.join().unwrap().into_iter().eq(0..32));
        });
    });
}

/// An iterator that maps with the same pool is asked for items while the other mapping has greenlets in it. On the old code a slot was
/// held meanwhile: a pool of one was waited for for ever.
#[test]
fn an_iterator_may_use_the_pool_that_it_is_mapped_with() {
    everywhere(|_| {
        for size in [1, 2, 5] {
            let pool = Pool::new(size);
            let lines = pool.imap(0..20, |i| i + 1).map(Result::unwrap);
            let words = pool.imap_unordered(lines, |i| i * 2).map(Result::unwrap);
            let total: i32 = pool.imap(words, |i| i).map(Result::unwrap).sum();
            assert_eq!(total, 420);
            let asks = std::iter::from_fn(|| pool.spawn(|| 5).join().ok()).take(5);
            assert_eq!(pool.imap(asks, |i| i).count(), 5);
            let asks = std::iter::from_fn(|| pool.spawn(|| 5).join().ok()).take(5);
            assert_eq!(pool.map(asks, |i| i).len(), 5);
            assert_eq!(pool.free_count(), size);
        }
    });
}

#[test]
fn imap_unordered_yields_what_comes() {
    everywhere(|_| {
        let (pool, event) = (Pool::new(2), Arc::new(Event::new()));
        let released = Arc::clone(&event);
        let mut results = pool.imap_unordered(0..5, move |i| {
            if i == 0 {
                released.wait();
            }
            i
        });
        let first = results.next().unwrap().unwrap();
        assert_ne!(first, 0);
        event.set();
        let mut all: Vec<_> = results.map(Result::unwrap).chain([first]).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_panic_of_the_users_iterator_leaves_the_pool_usable() {
    everywhere(|_| {
        let pool = Pool::new(2);
        let items = (0..5).inspect(|i| assert!(*i < 3, "no more items"));
        let message = panic_of(|| pool.imap(items, |i| i).count());
        assert_eq!(message, "no more items");
        eventually("all slots are back", || pool.free_count() == 2);
        assert_eq!(pool.map([1, 2, 3], |i| i + 1).len(), 3);
    });
}

#[test]
fn a_wait_for_a_slot_that_is_killed_takes_none() {
    everywhere(|kind| {
        let (pool, event) = (Arc::new(Pool::new(1)), Arc::new(Event::new()));
        let released = Arc::clone(&event);
        let occupant = pool.spawn(move || released.wait());
        let waiting = {
            let pool = Arc::clone(&pool);
            kind.spawn(move || pool.spawn(|| ()).join().unwrap())
        };
        until_parked(waiting.greenlet());
        waiting.kill();
        assert!(waiting.join().unwrap_err().is_killed());
        event.set();
        occupant.join().unwrap();
        pool.spawn(|| ()).join().unwrap();
    });
}

/// On one hub. On the old code these loops kept it, and never ended.
#[test]
fn loops_that_ask_let_those_run_whom_they_ask_for() {
    both_kinds_on(1, |_| {
        let (group, pool) = (Group::new(), Pool::new(1));
        group.spawn(greenhub::yield_now);
        while !group.is_empty() {}
        group.spawn(greenhub::yield_now);
        while group.len() == 1 {}
        let _detached = pool.spawn(greenhub::yield_now);
        while !pool.is_empty() {}
        let _detached = pool.spawn(greenhub::yield_now);
        while pool.len() == 1 {}
        let _detached = pool.spawn(greenhub::yield_now);
        while pool.free_count() == 0 {}
        let _detached = pool.spawn(greenhub::yield_now);
        let mut next: fn() = || ();
        while let Err(refused) = pool.try_spawn(next) {
            next = refused;
        }
        greenhub::scope(|s| {
            let one = s.spawn(greenhub::yield_now);
            while !one.is_finished() {}
        });
    });
}

#[test]
fn threads_use_groups_and_pools() {
    let _watchdog = Watchdog::new();
    let pool = Pool::new(2);
    let total: u64 = pool.imap(1..=10, |i| i).map(Result::unwrap).sum();
    assert_eq!(total, 55);
    assert!(panic_of(|| drop(Pool::new(0))).contains("one greenlet"));
}

/// What dumps and errors name is the caller's line, not one in the library.
#[test]
fn greenlets_of_groups_and_pools_are_spawned_at_the_callers_line() {
    fn file() -> &'static str {
        greenhub::current().spawned_at().file()
    }
    everywhere(|_| {
        let pool = Pool::new(2);
        let group = Group::new();
        group.spawn(file);
        let mut files = group.join().unwrap();
        files.push(pool.spawn(file).join().unwrap());
        files.extend(pool.map([()], |()| file()).into_iter().map(Result::unwrap));
        files.extend(pool.imap([()], |()| file()).map(Result::unwrap));
        files.extend(pool.imap_unordered([()], |()| file()).map(Result::unwrap));
        assert_eq!(files, [file!(); 5]);
    });
}
