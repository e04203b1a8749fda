//! Runtimes come and go: nothing of them stays, whatever their greenlets were doing; panics end greenlets, not hubs.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use greenhub::net::{TcpListener, TcpStream};
use greenhub::runtime::{Handle, Runtime};
use greenhub::{Greenlet, JoinHandle};
use support::{KINDS, Kind, Watchdog, child, on_hubs, runtime, times};

/// Counts a drop.
struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A runtime that has used everything it has: both lanes, timers, sockets, many stacks, and threads that wait for it.
#[cfg(target_os = "linux")]
fn use_a_runtime(kind: Kind, suspended: bool) {
    use std::io::{Read, Write};

    let runtime = Runtime::builder().hubs(2).compute_hubs(1).build().unwrap();
    runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = kind.spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
        let mut text = String::new();
        TcpStream::connect(address)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
        server.join().unwrap();
        greenhub::spawn_compute(|| ()).join().unwrap();
        let handles: Vec<_> = (0..20)
            .map(|i| kind.spawn(move || greenhub::sleep(Duration::from_micros(i))))
            .collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        if suspended {
            // The runtime ends over their heads.
            drop(kind.spawn(greenhub::park));
            drop(kind.spawn(|| greenhub::sleep(Duration::from_secs(1000))));
            drop(greenhub::spawn_after(Duration::from_secs(1000), || ()));
            drop(kind.spawn(|| TcpListener::bind("127.0.0.1:0").unwrap().accept().map(drop)));
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn runtimes_that_end_leave_nothing_behind() {
    use support::process::{possessions, settles};

    let name = "runtimes_that_end_leave_nothing_behind";
    let outcome = child::run(name, || {
        for index in 0..20 {
            use_a_runtime(KINDS[index % 2], index % 4 < 2);
        }
        let before = possessions();
        // Ten thousand in all with GREENHUB_STRESS=10.
        for index in 0..times(1000, 50) {
            use_a_runtime(KINDS[index % 2], index % 4 < 2);
        }
        // A thread that has been joined may be listed for a moment, and the allocator keeps an arena's mappings.
        let settled = settles(|| {
            let now = possessions();
            now.fds == before.fds && now.threads == before.threads
        });
        let after = possessions();
        assert!(settled, "before {before:?}, after {after:?}");
        assert!(
            after.mappings <= before.mappings + 8,
            "before {before:?}, after {after:?}"
        );
        assert!(
            after.resident <= before.resident + (4 << 20),
            "before {before:?}, after {after:?}"
        );
    });
    outcome.assert_success();
}

#[test]
fn a_runtime_that_ends_unwinds_what_waits_and_drops_what_has_not_begun() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        for hubs in [1, 2, 4] {
            for _ in 0..times(50, 5) {
                let drops = Arc::new(AtomicUsize::new(0));
                let runtime = runtime(hubs);
                let handles: Vec<JoinHandle<()>> = runtime.run(|| {
                    let waits: [fn(); 6] = [
                        || greenhub::park(),
                        || greenhub::sleep(Duration::MAX),
                        || loop {
                            greenhub::yield_now();
                        },
                        || greenhub::park_timeout(Duration::from_secs(1000)),
                        || drop(greenhub::spawn(greenhub::park).join()),
                        || {
                            greenhub::scope(|s| {
                                s.spawn(greenhub::park);
                            });
                        },
                    ];
                    let waiting = waits.map(|wait| {
                        let drops = CountDrop(Arc::clone(&drops));
                        kind.spawn(move || {
                            let _drops = drops;
                            // A wait that the end of others has completed is no wait to be killed in.
                            loop {
                                wait();
                                greenhub::yield_now();
                            }
                        })
                    });
                    let later = CountDrop(Arc::clone(&drops));
                    let later =
                        greenhub::spawn_after(Duration::from_secs(1000), move || drop(later));
                    for _ in 0..10 {
                        greenhub::yield_now();
                    }
                    // Most of these have not begun when the runtime ends.
                    let fresh = (0..10).map(|_| {
                        let drops = CountDrop(Arc::clone(&drops));
                        kind.spawn(move || {
                            let _drops = drops;
                            greenhub::park();
                        })
                    });
                    waiting.into_iter().chain([later]).chain(fresh).collect()
                });
                drop(runtime);
                assert_eq!(drops.load(Ordering::Relaxed), 17);
                for handle in handles {
                    assert!(handle.is_finished());
                    assert!(handle.join().unwrap_err().is_killed());
                }
            }
        }
    }
}

/// Its destructor does what a server's might: it wakes others, spawns greenlets, and waits for one.
struct Busy {
    friends: Vec<Greenlet>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.friends.iter().for_each(Greenlet::unpark);
        let drops = CountDrop(Arc::clone(&self.drops));
        drop(greenhub::spawn(move || drop(drops)));
        let drops = CountDrop(Arc::clone(&self.drops));
        drop(greenhub::spawn_after(Duration::from_millis(1), move || {
            drop(drops)
        }));
        let drops = CountDrop(Arc::clone(&self.drops));
        drop(greenhub::spawn_local(move || drop(drops)).join_timeout(Duration::from_micros(20)));
        self.friends.iter().for_each(Greenlet::kill);
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_shutdown_whose_destructors_wake_and_spawn_comes_to_its_end() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        for round in 0..times(500, 25) {
            let drops = Arc::new(AtomicUsize::new(0));
            let runtime = runtime(1 + round % 3);
            let begun = Arc::new(AtomicUsize::new(0));
            runtime.run(|| {
                let friends: Vec<Greenlet> = (0..4)
                    .map(|_| kind.spawn(greenhub::park).greenlet().clone())
                    .collect();
                for _ in 0..8 {
                    let (friends, drops) = (friends.clone(), Arc::clone(&drops));
                    let begun = Arc::clone(&begun);
                    drop(kind.spawn(move || {
                        let _busy = Busy { friends, drops };
                        begun.fetch_add(1, Ordering::Relaxed);
                        greenhub::park();
                    }));
                }
                while begun.load(Ordering::Relaxed) < 8 {
                    greenhub::yield_now();
                }
            });
            drop(runtime);
            assert_eq!(
                drops.load(Ordering::Relaxed),
                8 * 4,
                "{kind:?}, round {round}"
            );
        }
    }
}

/// Threads outside spawn, wake and kill while the runtime ends.
#[test]
fn a_shutdown_that_races_with_spawners_drops_everything_and_answers_every_join() {
    let _watchdog = Watchdog::start();
    for round in 0..times(200, 20) {
        let runtime = runtime(1 + round % 3);
        let drops = Arc::new(AtomicUsize::new(0));
        let spawners: Vec<_> = (0..2)
            .map(|_| {
                let (handle, drops) = (runtime.handle(), Arc::clone(&drops));
                thread::spawn(move || {
                    let handles: Vec<_> = (0..200)
                        .map(|index| {
                            let drops = CountDrop(Arc::clone(&drops));
                            handle.spawn(move || {
                                let _drops = drops;
                                if index % 2 == 0 {
                                    greenhub::park();
                                }
                            })
                        })
                        .collect();
                    handles.iter().for_each(|handle| handle.greenlet().unpark());
                    handles
                        .into_iter()
                        .map(JoinHandle::join)
                        .filter(Result::is_ok)
                        .count()
                })
            })
            .collect();
        if round % 4 == 0 {
            thread::yield_now();
        }
        drop(runtime);
        spawners
            .into_iter()
            .for_each(|spawner| assert!(spawner.join().unwrap() <= 200));
        assert_eq!(drops.load(Ordering::Relaxed), 400, "round {round}");
    }
}

#[test]
fn a_shutdown_with_a_limit_reports_what_would_not_stop() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(2);
        let (stop, stopped) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
        let (begin, begun) = mpsc::channel();
        let spinning = Arc::clone(&stop);
        let spinner = runtime.run(move || {
            kind.spawn(move || {
                begin.send(()).unwrap();
                while !spinning.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                stopped.0.send(()).unwrap();
            })
        });
        begun.recv().unwrap();
        assert!(
            !runtime.shutdown_timeout(Duration::from_millis(20)),
            "a spinner cannot have been stopped"
        );
        stop.store(true, Ordering::Relaxed);
        stopped.1.recv().unwrap();
        spinner.join().unwrap();
    }
}

#[test]
fn a_shutdown_with_a_limit_ends_what_can_be_ended() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(2);
        let parked = runtime.run(|| kind.spawn(greenhub::park));
        assert!(runtime.shutdown_timeout(Duration::from_secs(60)));
        assert!(parked.join().unwrap_err().is_killed());
    }
}

#[test]
fn a_runtime_that_has_ended_refuses_or_cancels_what_is_spawned_later() {
    let _watchdog = Watchdog::start();
    let runtime = runtime(2);
    let handle = runtime.handle();
    drop(runtime);
    let drops = Arc::new(AtomicUsize::new(0));
    let mine = CountDrop(Arc::clone(&drops));
    let late = catch_unwind(AssertUnwindSafe(|| handle.spawn(move || drop(mine))));
    if let Ok(late) = late {
        assert!(late.join().unwrap_err().is_killed());
    }
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

/// A runtime is used, and dropped, within another's greenlet, whose hub goes on meanwhile.
#[test]
fn runtimes_nest() {
    on_hubs(1, |kind| {
        let beside = kind.spawn(|| (0..5).for_each(|_| greenhub::yield_now()));
        let inner = runtime(2);
        let value = inner.run(|| {
            drop(greenhub::spawn(greenhub::park));
            greenhub::spawn(|| 42).join().unwrap()
        });
        drop(inner);
        assert_eq!(value, 42);
        beside.join().unwrap();
    });
}

/// Something that panics when it is dropped, unless that would abort the process.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new("grenade"));
        }
    }
}

#[test]
fn a_hub_survives_every_panic() {
    on_hubs(1, |kind| {
        // In the body, with any payload.
        let error = kind
            .spawn(|| resume_unwind(Box::new("first")))
            .join()
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(error.into_panic().downcast_ref(), Some(&"first"));
        let error = kind
            .spawn(|| resume_unwind(Box::new(17_u8)))
            .join()
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(error.into_panic().downcast_ref(), Some(&17_u8));
        // In a destructor at the body's end.
        let error = kind.spawn(|| drop(Grenade)).join().unwrap_err();
        assert!(error.is_panic());
        // In the destructor of a value that nobody takes.
        drop(kind.spawn(|| Grenade));
        let detached = kind.spawn(|| Grenade);
        while !detached.is_finished() {
            greenhub::yield_now();
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(detached)));
        // In the destructor of a closure that is killed before it begins.
        let grenade = Grenade;
        let fresh = kind.spawn(move || drop(grenade));
        let _ = catch_unwind(AssertUnwindSafe(|| fresh.kill()));
        assert!(fresh.join().is_err());
        // In a user's iterator.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            greenhub::join_all((0..3).map(|i| {
                if i < 2 {
                    kind.spawn(|| ())
                } else {
                    resume_unwind(Box::new("iterator"))
                }
            }))
        }));
        assert!(outcome.is_err());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            greenhub::as_completed((0..3).map(|i| {
                if i < 2 {
                    kind.spawn(|| ())
                } else {
                    resume_unwind(Box::new("iterator"))
                }
            }))
            .count()
        }));
        assert!(outcome.is_err());
        // In a scope's body while its greenlets run.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            greenhub::scope(|s| {
                s.spawn(greenhub::yield_now);
                resume_unwind(Box::new("scope"))
            })
        }));
        assert_eq!(
            outcome.map(|(): ()| ()).unwrap_err().downcast_ref(),
            Some(&"scope")
        );
        // Life goes on.
        assert_eq!(kind.spawn(|| 42).join().unwrap(), 42);
    });
}

/// A payload whose own destructor panics is dropped with the error, by whoever drops that.
#[test]
fn a_hub_survives_a_payload_that_panics_when_it_is_dropped() {
    on_hubs(1, |kind| {
        for _ in 0..times(100, 10) {
            let detached = kind.spawn(|| resume_unwind(Box::new(Grenade)));
            drop::<JoinHandle<()>>(detached);
            let joined = kind.spawn(|| resume_unwind(Box::new(Grenade)));
            let error = joined.join().map(|(): ()| ()).unwrap_err();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(error))).is_err());
        }
        assert_eq!(kind.spawn(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn a_panic_in_a_destructor_during_a_kill_aborts_as_std_would() {
    struct Always;
    impl Drop for Always {
        fn drop(&mut self) {
            panic!("twice is too much");
        }
    }
    let name = "a_panic_in_a_destructor_during_a_kill_aborts_as_std_would";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            runtime(1).run(|| {
                let victim = kind.spawn(|| {
                    let _always = Always;
                    greenhub::park();
                });
                greenhub::yield_now();
                greenhub::yield_now();
                victim.kill();
                drop(victim.join());
            });
        });
        outcome
            .assert_signal(libc::SIGABRT)
            .assert_says("twice is too much");
    }
}

/// A panic in a destructor that is caught there is nobody else's business, even during a kill.
#[test]
fn a_caught_panic_in_a_destructor_during_a_kill_is_harmless() {
    struct Catches(Arc<AtomicUsize>);
    impl Drop for Catches {
        fn drop(&mut self) {
            if catch_unwind(|| resume_unwind(Box::new("inner"))).is_err() {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    on_hubs(1, |kind| {
        let caught = Arc::new(AtomicUsize::new(0));
        for _ in 0..times(100, 10) {
            let catches = Catches(Arc::clone(&caught));
            let begun = Arc::new(AtomicBool::new(false));
            let victim = {
                let begun = Arc::clone(&begun);
                kind.spawn(move || {
                    let _catches = catches;
                    begun.store(true, Ordering::Relaxed);
                    greenhub::park();
                })
            };
            while !begun.load(Ordering::Relaxed) {
                greenhub::yield_now();
            }
            victim.kill();
            assert!(victim.join().unwrap_err().is_killed());
            assert!(!thread::panicking());
        }
        assert_eq!(caught.load(Ordering::Relaxed), times(100, 10));
    });
}

#[test]
fn an_unjoined_panic_is_printed_with_the_greenlets_name() {
    let name = "an_unjoined_panic_is_printed_with_the_greenlets_name";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            runtime(1).run(|| {
                let (end, ended) = mpsc::channel::<()>();
                drop(kind.builder().name("clumsy".into()).spawn(move || {
                    let _end = end;
                    panic!("dropped a plate")
                }));
                while ended.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                    greenhub::yield_now();
                }
            });
        });
        outcome
            .assert_success()
            .assert_says("'clumsy'")
            .assert_says("dropped a plate")
            .assert_says("lifecycle.rs");
    }
}

#[test]
fn a_kill_prints_nothing() {
    let name = "a_kill_prints_nothing";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            runtime(1).run(|| {
                let victim = kind
                    .builder()
                    .name("quiet".into())
                    .spawn(greenhub::park)
                    .unwrap();
                greenhub::yield_now();
                victim.kill();
                assert!(victim.join().unwrap_err().is_killed());
            });
        });
        outcome
            .assert_success()
            .assert_silent_about("quiet")
            .assert_silent_about("panicked");
    }
}

/// The program's own panic hook is called, in the greenlet that panics, and may wait there: the panic count is zero yet or
/// not, nobody else sees it.
#[test]
fn a_panic_hook_may_use_greenlets() {
    let name = "a_panic_hook_may_use_greenlets";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            std::panic::set_hook(Box::new(|info| {
                let name =
                    greenhub::try_current().and_then(|greenlet| greenlet.name().map(str::to_owned));
                greenhub::yield_now();
                greenhub::sleep(Duration::from_micros(10));
                eprintln!(
                    "the hook of {name:?}: {:?}",
                    info.payload().downcast_ref::<&str>()
                );
            }));
            runtime(2).run(|| {
                for _ in 0..20 {
                    let victim = kind
                        .builder()
                        .name("hooked".into())
                        .spawn(|| panic_any("any"))
                        .unwrap();
                    assert!(victim.join().map(|(): ()| ()).unwrap_err().is_panic());
                }
                assert_eq!(kind.spawn(|| 42).join().unwrap(), 42);
            });
        });
        outcome
            .assert_success()
            .assert_says("the hook of Some(\"hooked\"): Some(\"any\")");
    }
}

/// Documented: the child has one thread and no hubs, so it must do little, and leave.
#[test]
#[cfg(target_os = "linux")]
fn a_fork_within_a_greenlet_does_not_disturb_the_parent() {
    let name = "a_fork_within_a_greenlet_does_not_disturb_the_parent";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            runtime(2).run(|| {
                let beside = kind
                    .spawn(|| (0..100).for_each(|_| greenhub::sleep(Duration::from_micros(100))));
                for code in 0..10 {
                    let status = kind
                        .spawn(move || {
                            // SAFETY: the child does nothing but leave, which any thread may after a fork.
                            let pid = unsafe { libc::fork() };
                            if pid == 0 {
                                // SAFETY: it never returns.
                                unsafe { libc::_exit(code) };
                            }
                            let mut status = 0;
                            // SAFETY: the pointer is valid.
                            while unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == 0 {
                                greenhub::sleep(Duration::from_micros(200));
                            }
                            status
                        })
                        .join()
                        .unwrap();
                    assert_eq!(libc::WEXITSTATUS(status), code);
                    assert_eq!(kind.spawn(|| 42).join().unwrap(), 42);
                }
                beside.join().unwrap();
            });
        });
        outcome.assert_success();
    }
}

/// Neither the runtime's descriptors nor its sockets.
#[test]
#[cfg(target_os = "linux")]
fn a_program_started_from_a_greenlet_inherits_no_descriptor() {
    use std::process::Command;

    fn listed() -> usize {
        let output = Command::new("ls").arg("/proc/self/fd").output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    }
    let outcome = child::run(
        "a_program_started_from_a_greenlet_inherits_no_descriptor",
        || {
            let before = listed();
            let after = runtime(4).run(|| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let _stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let _peer = listener.accept().unwrap();
                greenhub::spawn_compute(|| ()).join().unwrap();
                greenhub::spawn(listed).join().unwrap()
            });
            assert_eq!(after, before);
        },
    );
    outcome.assert_success();
}

#[test]
fn a_runtime_dropped_by_its_own_greenlet_does_not_wait_for_itself() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(2);
        let handle: Handle = runtime.handle();
        let (begin, begun) = mpsc::channel();
        let suicide = handle.spawn(move || {
            let inner = kind.spawn(move || {
                drop(runtime);
                begin.send(()).unwrap();
            });
            drop(inner.join());
        });
        begun.recv().unwrap();
        drop(suicide.join());
    }
}
