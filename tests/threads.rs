//! Everything that waits, from plain OS threads.

mod common;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Gate, Kind, OnDrop, Watchdog, panic_of, runtime};

#[test]
fn a_threads_permit_outlives_a_sleep() {
    let _watchdog = Watchdog::new();
    let thread = std::thread::spawn(|| {
        std::thread::current().unpark();
        greenhub::sleep(Duration::from_millis(2));
        greenhub::park();
    });
    thread.join().unwrap();
}

#[test]
fn a_threads_permit_outlives_a_join() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(1);
    let thread = std::thread::spawn(move || {
        std::thread::current().unpark();
        runtime
            .spawn(|| greenhub::sleep(Duration::from_millis(2)))
            .join()
            .unwrap();
        greenhub::park();
    });
    thread.join().unwrap();
}

/// Runs `f` on a plain thread of its own, which no other test has touched.
#[track_caller]
fn on_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let _watchdog = Watchdog::new();
    match std::thread::spawn(f).join() {
        Ok(value) => value,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

#[test]
fn a_thread_is_no_greenlet() {
    on_a_thread(|| {
        assert!(greenhub::try_current().is_none());
        assert!(panic_of(greenhub::current).contains("outside of greenlets"));
        // Not even while greenlets work for it.
        let runtime = runtime(1);
        runtime.run(|| ());
        assert!(greenhub::try_current().is_none());
    });
}

#[test]
fn a_thread_spawns_and_joins() {
    for kind in Kind::BOTH {
        on_a_thread(move || {
            let handles: Vec<_> = (0..200).map(|i| kind.spawn(move || i)).collect();
            for (i, handle) in (0..).zip(handles) {
                assert_eq!(handle.join().unwrap(), i);
            }
            assert_eq!(greenhub::spawn_compute(|| 5).join().unwrap(), 5);
            let named = kind.builder().name("named".into()).spawn(|| 6).unwrap();
            assert_eq!(named.join().unwrap(), 6);
            let failing = kind.spawn(|| panic!("on purpose"));
            assert!(failing.join().unwrap_err().is_panic());
            let killed = kind.spawn(greenhub::park);
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
        });
    }
}

#[test]
fn a_thread_joins_for_a_while() {
    for kind in Kind::BOTH {
        on_a_thread(move || {
            let parked = kind.spawn(|| {
                greenhub::park();
                5
            });
            let (began, limit) = (Instant::now(), Duration::from_millis(2));
            let parked = parked.join_timeout(limit).unwrap_err();
            assert!(began.elapsed() >= limit);
            let parked = parked.join_timeout(Duration::ZERO).unwrap_err();
            parked.greenlet().unpark();
            assert_eq!(parked.join_timeout(Duration::MAX).unwrap().unwrap(), 5);
        });
    }
}

#[test]
fn a_thread_sleeps_yields_and_checks_in() {
    on_a_thread(|| {
        for micros in [0, 100, 2_000] {
            let (began, nap) = (Instant::now(), Duration::from_micros(micros));
            greenhub::sleep(nap);
            assert!(began.elapsed() >= nap);
            let deadline = Instant::now() + nap;
            greenhub::sleep_until(deadline);
            assert!(Instant::now() >= deadline);
        }
        for _ in 0..10_000 {
            greenhub::checkpoint();
        }
        greenhub::yield_now();
    });
}

#[test]
fn a_thread_parks_as_stds_threads_do() {
    on_a_thread(|| {
        let this = std::thread::current();
        // A permit that is there is taken, one for any number of unparks.
        (0..3).for_each(|_| this.unpark());
        greenhub::park();
        let (began, limit) = (Instant::now(), Duration::from_millis(2));
        while began.elapsed() < limit {
            greenhub::park_timeout(limit);
        }
        // A greenlet wakes a thread by std's own handle.
        let woken = Gate::new();
        drop(greenhub::spawn({
            let woken = woken.clone();
            move || {
                greenhub::sleep(Duration::from_micros(100));
                woken.open();
                this.unpark();
            }
        }));
        while !woken.is_open() {
            greenhub::park();
        }
    });
}

#[test]
fn a_thread_has_scopes() {
    on_a_thread(|| {
        let (mut list, total) = (vec![1, 2, 3], AtomicUsize::new(0));
        let length = greenhub::scope(|s| {
            for _ in 0..20 {
                s.spawn(|| {
                    greenhub::sleep(Duration::from_micros(50));
                    total.fetch_add(list.len(), Ordering::Relaxed);
                    s.spawn(|| total.fetch_add(1, Ordering::Relaxed));
                });
            }
            s.spawn(|| list.len()).join().unwrap()
        });
        list.push(4);
        assert_eq!((length, total.into_inner()), (3, 80));
        let message = panic_of(|| {
            greenhub::scope(|s| {
                s.spawn(|| panic!("on purpose"));
            });
        });
        assert_eq!(message, "a scoped greenlet panicked");
    });
}

#[test]
fn a_thread_waits_for_many() {
    for kind in Kind::BOTH {
        on_a_thread(move || {
            let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
            let handles: Vec<_> = (0..)
                .zip(gates.clone())
                .map(|(i, gate)| {
                    kind.spawn(move || {
                        gate.pass();
                        i
                    })
                })
                .collect();
            let mut completed = greenhub::as_completed(handles);
            for i in [4, 2, 0, 1, 3] {
                gates[i].open();
                assert_eq!(completed.next().unwrap().unwrap(), i);
            }
            assert!(completed.next().is_none());
            let all = greenhub::join_all((0..50).map(|i| kind.spawn(move || i)));
            assert!(all.into_iter().map(|result| result.unwrap()).eq(0..50));
        });
    }
}

#[test]
fn an_iterator_begun_on_a_thread_is_ended_in_a_greenlet() {
    for kind in Kind::BOTH {
        on_a_thread(move || {
            let gate = Gate::new();
            let waits = kind.spawn({
                let gate = gate.clone();
                move || {
                    gate.pass();
                    2
                }
            });
            let mut completed = greenhub::as_completed([waits, kind.spawn(|| 1)]);
            assert_eq!(completed.next().unwrap().unwrap(), 1);
            let rest = kind.spawn(move || completed.next().unwrap().unwrap());
            common::until_parked_in(rest.greenlet(), "join");
            gate.open();
            assert_eq!(rest.join().unwrap(), 2);
        });
    }
}

#[test]
fn a_thread_has_locals_of_its_own() {
    greenhub::greenlet_local! {
        static COUNT: Cell<u32> = Cell::new(1);
    }
    on_a_thread(|| {
        COUNT.set(2);
        assert_eq!(greenhub::spawn(|| COUNT.get()).join().unwrap(), 1);
        assert_eq!(on_a_thread(|| COUNT.get()), 1);
        assert_eq!(COUNT.replace(3), 2);
        assert_eq!(greenhub::run(|| COUNT.get()), 1);
        assert_eq!(COUNT.get(), 3);
    });
}

#[test]
fn a_thread_that_ends_may_still_wait_in_its_destructors() {
    type Waits = OnDrop<fn()>;
    // std's locals are dropped in no order that anyone may rely on, so both that come before and after are tried.
    thread_local! {
        static BEFORE: RefCell<Option<Waits>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<Waits>> = const { RefCell::new(None) };
    }
    greenhub::greenlet_local! {
        static OWN: RefCell<Option<Waits>> = RefCell::new(None);
    }
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    fn wait() {
        assert_eq!(greenhub::spawn(|| 5).join().unwrap(), 5);
        greenhub::scope(|s| drop(s.spawn(|| greenhub::sleep(Duration::from_micros(100)))));
        let pair = [greenhub::spawn(|| 1), greenhub::spawn(|| 2)];
        assert_eq!(greenhub::as_completed(pair).count(), 2);
        greenhub::sleep(Duration::from_micros(100));
        greenhub::yield_now();
        assert!(greenhub::try_current().is_none());
        let _ = OWN.try_with(|_| ());
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
    on_a_thread(|| {
        BEFORE.set(Some(OnDrop(wait)));
        greenhub::run(|| ());
        greenhub::spawn(|| greenhub::sleep(Duration::from_micros(100)))
            .join()
            .unwrap();
        OWN.set(Some(OnDrop(wait)));
        AFTER.set(Some(OnDrop(wait)));
    });
    assert_eq!(DROPS.load(Ordering::Relaxed), 3);
}

#[test]
fn threads_and_greenlets_wait_for_each_other() {
    for kind in Kind::BOTH {
        on_a_thread(move || {
            let runtime = runtime(2);
            // A greenlet may not block on a thread, so the thread tells by an unpark.
            for _ in 0..200 {
                let told = Gate::new();
                let waits = runtime.run(|| {
                    let told = told.clone();
                    kind.spawn(move || {
                        while !told.is_open() {
                            greenhub::park();
                        }
                        5
                    })
                });
                let greenlet = waits.greenlet().clone();
                let teller = std::thread::spawn(move || {
                    told.open();
                    greenlet.unpark();
                });
                assert_eq!(waits.join().unwrap(), 5);
                teller.join().unwrap();
            }
        });
    }
}
