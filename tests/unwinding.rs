//! std counts panics by thread, and a hub's greenlets share its thread. So a greenlet that waits while it unwinds keeps its
//! thread to itself: no other sees `panicking()`, poisons its locks, or aborts.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use greenhub::JoinHandle;
use support::{KINDS, Kind, Watchdog, on_hubs, runtime, times};

/// Not inlined into what suspends: see `spawn_migrating`.
#[inline(never)]
fn panicking() -> bool {
    thread::panicking()
}

/// How a destructor waits.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Sleep,
    ParkTimeout,
    Yield,
    Unpark,
    Join,
    JoinTimeout,
    Scope,
}

const WAITS: [Wait; 7] = [
    Wait::Sleep,
    Wait::ParkTimeout,
    Wait::Yield,
    Wait::Unpark,
    Wait::Join,
    Wait::JoinTimeout,
    Wait::Scope,
];

/// Waits when it is dropped, for something that another hub or thread does.
struct Waits {
    how: Wait,
    helper: Option<JoinHandle<()>>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        assert!(panicking());
        match self.how {
            Wait::Sleep => greenhub::sleep(Duration::from_micros(50)),
            Wait::ParkTimeout => greenhub::park_timeout(Duration::from_micros(50)),
            Wait::Yield => greenhub::yield_now(),
            Wait::Unpark => {
                let (me, woken) = (greenhub::current(), Arc::new(AtomicBool::new(false)));
                let waker = {
                    let woken = Arc::clone(&woken);
                    thread::spawn(move || {
                        woken.store(true, Ordering::Release);
                        me.unpark();
                    })
                };
                while !woken.load(Ordering::Acquire) {
                    greenhub::park();
                }
                waker.join().unwrap();
            }
            Wait::Join => drop(self.helper.take().unwrap().join()),
            Wait::JoinTimeout => drop(
                self.helper
                    .take()
                    .unwrap()
                    .join_timeout(Duration::from_micros(30)),
            ),
            Wait::Scope => {
                // Its greenlet can be stolen, and so is, as this thread blocks.
                let mut ran = false;
                greenhub::scope(|s| {
                    s.spawn(|| ran = true);
                });
                assert!(ran);
            }
        }
        assert!(panicking(), "the unwinding was forgotten");
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Bystanders on every hub look for a panic that is none of theirs, and lock a std mutex that would be poisoned.
fn nothing_leaks(kind: Kind, end: fn(&JoinHandle<()>), body: fn()) {
    let done = Arc::new(AtomicBool::new(false));
    let lock = Arc::new(Mutex::new(0_u64));
    let bystanders: Vec<_> = (0..8)
        .map(|index| {
            let (done, lock) = (Arc::clone(&done), Arc::clone(&lock));
            kind.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    assert!(!panicking(), "a bystander sees another's panic");
                    *lock.lock().expect("nobody panics with it") += 1;
                    greenhub::yield_now();
                    if index % 2 == 0 {
                        greenhub::sleep(Duration::from_micros(30));
                    } else {
                        greenhub::park_timeout(Duration::from_micros(50));
                    }
                }
            })
        })
        .collect();
    let dropped = Arc::new(AtomicUsize::new(0));
    let rounds = times(150, 10);
    for round in 0..rounds {
        for how in WAITS {
            let dropped = Arc::clone(&dropped);
            let begun = Arc::new(AtomicBool::new(false));
            let started = Arc::clone(&begun);
            let victim = kind.spawn(move || {
                // What the helper waits for is not on this hub, which is about to be blocked.
                let helper = greenhub::runtime::Handle::current().spawn_compute(|| ());
                let _waits = Waits {
                    how,
                    helper: Some(helper),
                    dropped,
                };
                started.store(true, Ordering::Relaxed);
                body();
            });
            while !begun.load(Ordering::Relaxed) {
                greenhub::yield_now();
            }
            end(&victim);
            assert!(victim.join().is_err(), "round {round}, {how:?}");
        }
    }
    done.store(true, Ordering::Relaxed);
    bystanders
        .into_iter()
        .for_each(|bystander| bystander.join().unwrap());
    assert_eq!(dropped.load(Ordering::Relaxed), rounds * WAITS.len());
}

#[test]
fn a_wait_in_a_destructor_during_a_kill_leaks_no_panic() {
    on_hubs(2, |kind| {
        nothing_leaks(kind, JoinHandle::kill, || {
            loop {
                greenhub::park();
            }
        });
    });
}

#[test]
fn a_wait_in_a_destructor_during_a_panic_leaks_no_panic() {
    on_hubs(2, |kind| {
        nothing_leaks(
            kind,
            |_| (),
            || std::panic::resume_unwind(Box::new("silent")),
        )
    });
}

/// On a single hub the thread is blocked until its deadline, and then goes on.
#[test]
fn a_timed_wait_in_a_destructor_ends_on_a_single_hub() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(1);
        let dropped = Arc::new(AtomicUsize::new(0));
        for how in [Wait::Sleep, Wait::ParkTimeout, Wait::Yield, Wait::Unpark] {
            let dropped = Arc::clone(&dropped);
            let joined = runtime.run(move || {
                let victim = kind.spawn(move || {
                    let _waits = Waits {
                        how,
                        helper: None,
                        dropped,
                    };
                    greenhub::park();
                });
                greenhub::yield_now();
                greenhub::yield_now();
                victim.kill();
                victim.join()
            });
            assert!(joined.unwrap_err().is_killed());
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 4, "{kind:?}");
    }
}

/// A guard of a std lock that is dropped by a kill poisons its lock, as std says; no other lock.
#[test]
fn a_kill_poisons_the_locks_that_it_unwinds_through_and_no_others() {
    let _watchdog = Watchdog::start();
    let runtime = runtime(1);
    runtime.run(|| {
        for _ in 0..times(1000, 50) {
            let (held, other) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
            let victim = {
                let held = Arc::clone(&held);
                greenhub::spawn(move || {
                    let _guard = held.lock().unwrap();
                    greenhub::park();
                })
            };
            let bystander = {
                let other = Arc::clone(&other);
                greenhub::spawn(move || {
                    for _ in 0..4 {
                        *other.lock().unwrap() += 1;
                        greenhub::yield_now();
                    }
                })
            };
            greenhub::yield_now();
            greenhub::yield_now();
            victim.kill();
            assert!(victim.join().unwrap_err().is_killed());
            bystander.join().unwrap();
            assert!(held.is_poisoned());
            assert_eq!(*other.lock().unwrap(), 4);
        }
    });
}
