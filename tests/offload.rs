//! `offload`: blocking calls beside greenlets that go on.

mod common;

use std::panic::{panic_any, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use common::{Gate, Kind, OnDrop, Tally, Watchdog, eventually, everywhere, until_parked_in};
use greenhub::{Elapsed, catch_kill, offload, timeout};

const SHORT: Duration = Duration::from_millis(2);

/// On an OS thread, and on greenlets of both kinds.
fn on_all(scenario: fn()) {
    let _watchdog = Watchdog::new();
    scenario();
    for hubs in [1, 2, 4] {
        let runtime = common::runtime(hubs);
        for kind in Kind::BOTH {
            if let Err(error) = runtime.run(|| kind.spawn(scenario).join()) {
                eprintln!("the scenario failed: {kind:?} on {hubs} hubs");
                resume_unwind(error.into_panic());
            }
        }
    }
}

#[test]
fn what_is_offloaded_runs_on_a_thread_of_its_own_and_returns() {
    on_all(|| {
        let here = std::thread::current().id();
        let text = String::from("moved");
        let (text, there, is_greenlet) = offload(move || {
            let is_greenlet = greenhub::try_current().is_some();
            (text + " back", std::thread::current().id(), is_greenlet)
        });
        assert_eq!(text, "moved back");
        assert_ne!(here, there);
        assert!(!is_greenlet);
    });
}

/// Two on one hub, each blocked until the other is there: neither stops the hub.
#[test]
fn calls_that_block_stop_neither_their_hub_nor_each_other() {
    everywhere(|kind| {
        let meeting = Arc::new(Barrier::new(3));
        let blocked: Vec<_> = (0..2)
            .map(|_| {
                let meeting = Arc::clone(&meeting);
                kind.spawn(move || offload(move || meeting.wait()))
            })
            .collect();
        for call in &blocked {
            until_parked_in(call.greenlet(), "offload");
        }
        // This greenlet goes on, on the same hub perhaps, and lets them go.
        assert_eq!(kind.spawn(|| 5).join().unwrap(), 5);
        let third = kind.spawn(move || offload(move || meeting.wait()));
        third.join().unwrap();
        for call in blocked {
            call.join().unwrap();
        }
    });
}

#[test]
fn a_panic_comes_back_to_the_caller() {
    on_all(|| {
        let panics: [(fn(), &str); 2] = [
            (|| panic!("of {}", "its own"), "of its own"),
            (|| panic_any("a payload"), "a payload"),
        ];
        for (f, expected) in panics {
            assert_eq!(common::panic_of(|| offload(f)), expected);
        }
        // And the threads are as good as before.
        assert_eq!(offload(|| 6), 6);
    });
}

#[test]
fn a_kill_frees_the_greenlet_at_once_and_the_call_goes_on() {
    everywhere(|kind| {
        let (gate, done, dropped) = (Gate::new(), Tally::new(), Tally::new());
        let (passes, counts, result) = (gate.clone(), done.clone(), dropped.on_drop());
        let waiting = kind.spawn(move || {
            offload(move || {
                passes.pass_blocking();
                counts.add();
                result
            })
        });
        until_parked_in(waiting.greenlet(), "offload");
        waiting.kill();
        // It ends while the call is still blocked: nobody has opened the gate.
        assert!(waiting.join().unwrap_err().is_killed());
        assert_eq!((done.get(), dropped.get()), (0, 0));
        gate.open();
        eventually(
            "the call comes to its end, and its result is dropped",
            || (done.get(), dropped.get()) == (1, 1),
        );
    });
}

#[test]
fn a_time_limit_frees_the_caller_and_the_call_goes_on() {
    on_all(|| {
        let (gate, done) = (Gate::new(), Tally::new());
        let (passes, counts) = (gate.clone(), done.clone());
        let result = timeout(SHORT, || {
            offload(move || {
                passes.pass_blocking();
                counts.add();
            })
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(done.get(), 0);
        gate.open();
        eventually("the call comes to its end", || done.get() == 1);
    });
}

#[test]
fn whoever_is_to_end_begins_no_call() {
    on_all(|| {
        let begun = Tally::new();
        let counts = begun.clone();
        let result = timeout(Duration::ZERO, || offload(move || counts.add()));
        assert_eq!(result, Err(Elapsed));
        assert_eq!(begun.get(), 0);
    });
    everywhere(|kind| {
        let begun = Tally::new();
        let counts = begun.clone();
        let killed = kind.spawn(move || {
            greenhub::current().kill();
            offload(move || counts.add());
        });
        assert!(killed.join().unwrap_err().is_killed());
        assert_eq!(begun.get(), 0);
    });
}

/// (That what has come is also returned, `loom-tests` shows.) Seen to fail with a place that is not abandoned.
#[test]
fn a_kill_that_races_with_the_end_of_a_call_leaks_nothing() {
    const RACES: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };
    everywhere(|kind| {
        let (dropped, kept) = (Tally::new(), Tally::new());
        for race in 0..RACES {
            let (value, keeps) = (dropped.on_drop(), kept.clone());
            let racing = kind.spawn(move || {
                catch_kill(|| offload(move || value)).map(|value| {
                    keeps.add();
                    drop(value);
                })
            });
            for _ in 0..race % 20 {
                greenhub::yield_now();
            }
            racing.kill();
            // Killed before its first slice, or it has caught that.
            let _ended = racing.join();
        }
        eventually("each value is dropped once", || dropped.get() == RACES);
        assert!(kept.get() <= RACES);
    });
}

#[test]
fn a_result_that_nobody_wants_may_panic_when_it_is_dropped() {
    fn bomb() -> OnDrop<impl FnMut()> {
        OnDrop(|| {
            panic_any(OnDrop(|| {
                // A payload whose own destructor panics, too.
                if !std::thread::panicking() {
                    panic!("in a payload's drop");
                }
            }))
        })
    }
    everywhere(|kind| {
        for panics in [false, true] {
            let (gate, thread) = (Gate::new(), Arc::new(Mutex::new(None::<ThreadId>)));
            let (passes, notes) = (gate.clone(), Arc::clone(&thread));
            let waiting = kind.spawn(move || {
                offload(move || {
                    passes.pass_blocking();
                    *notes.lock().unwrap() = Some(std::thread::current().id());
                    if panics {
                        drop(bomb());
                    }
                    bomb()
                });
            });
            until_parked_in(waiting.greenlet(), "offload");
            waiting.kill();
            assert!(waiting.join().unwrap_err().is_killed());
            gate.open();
            eventually("the call ends", || thread.lock().unwrap().is_some());
        }
        for n in 0..20 {
            assert_eq!(offload(move || n), n);
        }
    });
}

#[test]
fn ten_thousand_calls_return_each_to_its_own() {
    const CALLS: usize = if cfg!(debug_assertions) {
        1_000
    } else {
        10_000
    };
    common::both_kinds_on(2, |kind| {
        let calls: Vec<_> = (0..CALLS)
            .map(|n| kind.spawn(move || offload(move || n)))
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.join().unwrap(), n);
        }
    });
}

#[test]
fn several_runtimes_and_threads_share_the_pool() {
    let _watchdog = Watchdog::new();
    let sum = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|s| {
        for hubs in 1..=3 {
            let sum = &sum;
            s.spawn(move || {
                common::runtime(hubs).run(|| {
                    for kind in Kind::BOTH {
                        let sum = Arc::clone(sum);
                        let call = kind
                            .spawn(move || offload(move || sum.fetch_add(hubs, Ordering::Relaxed)));
                        call.join().unwrap();
                    }
                });
                offload(|| ());
            });
        }
    });
    assert_eq!(sum.load(Ordering::Relaxed), 12);
}

/// A runtime that ends kills who waits; the call outlives it.
#[test]
fn a_call_outlives_its_runtime() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let (open, opens) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let runtime = common::runtime(2);
        let waiting = runtime.run(|| {
            let waiting = kind.spawn(move || {
                offload(move || {
                    opens.recv().unwrap();
                    done.send(5).unwrap();
                });
            });
            until_parked_in(waiting.greenlet(), "offload");
            waiting
        });
        drop(runtime);
        assert!(waiting.join().unwrap_err().is_killed());
        open.send(()).unwrap();
        assert_eq!(is_done.recv(), Ok(5));
    }
}

/// std counts panics by thread, so this blocks the hub's thread, and comes back all the same.
#[test]
fn a_call_in_a_destructor_of_one_who_is_killed_comes_back() {
    everywhere(|kind| {
        let done = Tally::new();
        let counts = done.clone();
        let killed = kind.spawn(move || {
            let _calls = OnDrop(|| assert_eq!(offload(|| 5), 5));
            let _counts = OnDrop(|| counts.add());
            greenhub::park();
        });
        until_parked_in(killed.greenlet(), "park");
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert_eq!(done.get(), 1);
    });
}

#[test]
fn within_a_call_spawn_means_the_global_runtime() {
    on_all(|| {
        let sum = offload(|| {
            let inner = greenhub::spawn(|| greenhub::current().name().is_none());
            u8::from(inner.join().unwrap()) + greenhub::run(|| offload(|| 1))
        });
        assert_eq!(sum, 2);
    });
}

/// As many as there may be at once, and each of them calls again, twice deep: there is no thread for the inner calls. Seen to
/// hang when those are queued like others.
#[test]
fn calls_within_calls_need_no_further_thread() {
    let limited = common::in_child(
        "calls_within_calls_need_no_further_thread",
        &[("GREENHUB_OFFLOAD_THREADS", "3")],
        || {
            common::runtime(2).run(|| {
                let together = Arc::new(Barrier::new(3));
                let calls: Vec<_> = (0..3)
                    .map(|n| {
                        let together = Arc::clone(&together);
                        greenhub::spawn(move || {
                            offload(move || {
                                together.wait();
                                offload(move || offload(move || n))
                            })
                        })
                    })
                    .collect();
                for (n, call) in calls.into_iter().enumerate() {
                    assert_eq!(call.join().unwrap(), n);
                }
                let panics = || offload(|| offload(|| panic!("from within")));
                assert_eq!(common::panic_of(panics), "from within");
            });
        },
    );
    assert!(limited.status.success(), "{}", common::stderr(&limited));
}

#[test]
fn no_more_calls_run_at_once_than_the_environment_allows() {
    let limited = common::in_child(
        "no_more_calls_run_at_once_than_the_environment_allows",
        &[("GREENHUB_OFFLOAD_THREADS", "2")],
        || {
            common::both_kinds_on(2, |kind| {
                let numbers = Arc::new(Mutex::new((0, 0)));
                let calls: Vec<_> = (0..50)
                    .map(|_| {
                        let numbers = Arc::clone(&numbers);
                        kind.spawn(move || {
                            offload(move || {
                                {
                                    let mut numbers = numbers.lock().unwrap();
                                    numbers.0 += 1;
                                    numbers.1 = numbers.1.max(numbers.0);
                                }
                                std::thread::yield_now();
                                numbers.lock().unwrap().0 -= 1;
                            })
                        })
                    })
                    .collect();
                for call in calls {
                    call.join().unwrap();
                }
                assert!(numbers.lock().unwrap().1 <= 2);
            });
        },
    );
    assert!(limited.status.success(), "{}", common::stderr(&limited));
}

#[test]
fn a_setting_that_is_no_number_is_named() {
    let refused = common::in_child(
        "a_setting_that_is_no_number_is_named",
        &[("GREENHUB_OFFLOAD_THREADS", "many")],
        || {
            let message = common::panic_of(|| offload(|| ()));
            assert!(
                message
                    .ends_with("GREENHUB_OFFLOAD_THREADS must be a number of threads, not 'many'"),
                "{message}"
            );
        },
    );
    assert!(refused.status.success(), "{}", common::stderr(&refused));
}

/// What cannot be started is reported, not waited for.
#[test]
#[cfg(target_os = "linux")]
fn where_no_thread_can_be_started_the_call_says_so() {
    let refused = common::in_child(
        "where_no_thread_can_be_started_the_call_says_so",
        &[],
        || {
            let message = common::runtime(1).run(|| {
                // Room for what a panic allocates, not for a thread's stack.
                limit_address_space(address_space() + (1 << 20));
                let message = common::panic_of(|| offload(|| ()));
                limit_address_space(libc::RLIM_INFINITY);
                // And it is only for as long.
                assert_eq!(offload(|| 7), 7);
                message
            });
            assert!(
                message.starts_with("could not offload a call: "),
                "{message}"
            );
        },
    );
    assert!(refused.status.success(), "{}", common::stderr(&refused));
}

#[cfg(target_os = "linux")]
fn address_space() -> libc::rlim_t {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<libc::rlim_t>().ok())
        .expect("a number")
        * 1024
}

#[cfg(target_os = "linux")]
fn limit_address_space(bytes: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is valid, and a limit harms nothing that is mapped.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}
