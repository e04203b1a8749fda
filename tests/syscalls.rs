//! What costs nothing: a wait on the same hub makes no allocation and no system call, an idle runtime does nothing at all.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use greenhub::Greenlet;
use support::{KINDS, Kind, Watchdog, on_hubs, runtime};

/// Counts allocations by thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may free and allocate after its thread-locals are gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Not inlined into what suspends: see `spawn_migrating`.
#[inline(never)]
fn allocations() -> usize {
    ALLOCATIONS.get()
}

/// Two greenlets of one hub, this one and another, that can wake each other for as long as `with` takes.
fn with_partner(kind: Kind, with: impl FnOnce(&Greenlet)) {
    let (me, done) = (greenhub::current(), Arc::new(AtomicBool::new(false)));
    let partner = {
        let done = Arc::clone(&done);
        kind.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                greenhub::park();
                me.unpark();
            }
        })
    };
    let other = partner.greenlet().clone();
    exchange(&other, 1000);
    with(&other);
    done.store(true, Ordering::Relaxed);
    other.unpark();
    partner.join().unwrap();
}

/// Wakes the other and waits for its answer.
fn exchange(other: &Greenlet, times: usize) {
    for _ in 0..times {
        other.unpark();
        greenhub::park();
    }
}

#[test]
fn a_spawn_makes_one_allocation() {
    on_hubs(1, |kind| {
        // As many as the queues have room for from the beginning: what a longer queue takes is not the greenlet's.
        const COUNT: usize = 30;
        let mut handles = Vec::with_capacity(COUNT);
        // The first rounds fill what is kept: stacks, blocks of numbers.
        for round in 0..100 {
            let before = allocations();
            handles.extend((0..COUNT).map(|index| kind.spawn(move || index)));
            let spawned = allocations();
            for (index, handle) in handles.drain(..).enumerate() {
                assert_eq!(handle.join().unwrap(), index);
            }
            let joined = allocations();
            if round >= 10 {
                assert_eq!(spawned - before, COUNT);
                assert_eq!(joined - spawned, 0, "to run and to join makes some");
            }
        }
    });
}

#[test]
fn a_closure_and_its_value_are_part_of_the_one_allocation() {
    on_hubs(1, |kind| {
        for round in 0..5 {
            let large = [round; 100];
            let before = allocations();
            let handle = kind.spawn(move || large.map(|number| number + 1));
            let sum: usize = handle.join().unwrap().iter().sum();
            assert_eq!(sum, 100 * (round + 1));
            if round >= 3 {
                assert_eq!(allocations() - before, 1);
            }
        }
    });
}

#[test]
fn waits_on_the_same_hub_allocate_nothing() {
    on_hubs(1, |kind| {
        with_partner(kind, |other| {
            let before = allocations();
            exchange(other, 10_000);
            (0..10_000).for_each(|_| greenhub::yield_now());
            assert_eq!(allocations() - before, 0);
        });
    });
}

#[test]
fn waits_on_the_same_hub_neither_poll_nor_notify_nor_idle() {
    let _watchdog = Watchdog::start();
    // Settled ones: migrating ones may be stolen by the other hub.
    runtime(2).run(|| {
        let handle = greenhub::runtime::Handle::current();
        let figures = || {
            let metrics = handle.metrics();
            let sum = |figure: fn(&greenhub::runtime::HubMetrics) -> u64| {
                metrics.hubs().iter().map(figure).sum::<u64>()
            };
            (
                sum(|hub| hub.polls),
                sum(|hub| hub.notifies),
                sum(|hub| hub.idles),
                sum(|hub| hub.parks),
            )
        };
        let partners = || {
            let mut figures_then = None;
            greenhub::spawn_local(greenhub::yield_now).join().unwrap();
            let me = greenhub::current();
            let done = Arc::new(AtomicBool::new(false));
            let partner = {
                let done = Arc::clone(&done);
                greenhub::spawn_local(move || {
                    while !done.load(Ordering::Relaxed) {
                        greenhub::park();
                        me.unpark();
                    }
                })
            };
            exchange(partner.greenlet(), 1000);
            // The other hub needs a moment to go idle, and looks up now and then while this one is busy.
            let mut quiet = false;
            for _ in 0..10_000 {
                let before = figures();
                exchange(partner.greenlet(), 500);
                let after = figures();
                quiet = (after.0, after.1, after.2) == (before.0, before.1, before.2)
                    && after.3 - before.3 >= 500;
                figures_then = Some((before, after));
                if quiet {
                    break;
                }
            }
            assert!(quiet, "polls, notifies, idles, parks: {figures_then:?}");
            done.store(true, Ordering::Relaxed);
            partner.greenlet().unpark();
            partner.join().unwrap();
        };
        partners();
    });
}

#[cfg(target_os = "linux")]
mod without {
    use super::*;
    use std::time::Duration;
    use support::child;

    /// From now on the process is ended by `SIGSYS` when the calling thread (or any, if `all`) makes a system call other
    /// than these. `false`: this kernel, or this container, lets nobody do that.
    fn allow_only(calls: &[libc::c_long], all: bool) -> bool {
        let statement = |code: u32, k: u32| libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf: 0,
            k,
        };
        let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
        for call in calls {
            let jump = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32);
            program.push(libc::sock_filter { jf: 1, ..jump });
            program.push(statement(
                libc::BPF_RET | libc::BPF_K,
                libc::SECCOMP_RET_ALLOW,
            ));
        }
        program.push(statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_KILL_PROCESS,
        ));
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        let flags = if all {
            libc::SECCOMP_FILTER_FLAG_TSYNC
        } else {
            0
        };
        // SAFETY: the program is valid, and lives until the call returns.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags,
                    &filter,
                ) == 0
        }
    }

    /// Ends the process, successfully, without another system call than that.
    fn leave() -> ! {
        // SAFETY: it never returns.
        unsafe { libc::_exit(0) }
    }

    fn skipped() {
        eprintln!("skipped: system calls cannot be forbidden here");
    }

    const EXIT: [libc::c_long; 2] = [libc::SYS_exit_group, libc::SYS_exit];

    #[test]
    fn the_test_would_notice_a_system_call() {
        let outcome = child::run("without::the_test_would_notice_a_system_call", || {
            runtime(1).run(|| {
                if !allow_only(&EXIT, false) {
                    // SAFETY: as if it had.
                    unsafe { libc::raise(libc::SIGSYS) };
                }
                // SAFETY: it only asks.
                unsafe { libc::getppid() };
            });
        });
        outcome.assert_signal(libc::SIGSYS);
    }

    #[test]
    fn waits_on_the_same_hub_make_no_system_call() {
        let name = "without::waits_on_the_same_hub_make_no_system_call";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                runtime(1).run(|| {
                    kind.spawn(move || {
                        with_partner(kind, |other| {
                            if !allow_only(&EXIT, false) {
                                return skipped();
                            }
                            exchange(other, 20_000);
                            (0..20_000).for_each(|_| greenhub::yield_now());
                            leave();
                        });
                    })
                    .join()
                    .unwrap();
                });
            });
            outcome.relay();
            outcome.assert_success();
        }
    }

    #[test]
    fn a_greenlets_whole_life_makes_no_system_call() {
        let name = "without::a_greenlets_whole_life_makes_no_system_call";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                runtime(1).run(|| {
                    kind.spawn(move || {
                        let wave = || {
                            let mut sum = 0;
                            for _ in 0..10_000 {
                                sum += kind.spawn(|| 1).join().unwrap();
                            }
                            assert_eq!(sum, 10_000);
                        };
                        wave();
                        if !allow_only(&EXIT, false) {
                            return skipped();
                        }
                        wave();
                        leave();
                    })
                    .join()
                    .unwrap();
                });
            });
            outcome.relay();
            outcome.assert_success();
        }
    }

    /// Reads, writes, and waits for events that it shares with others: nothing is registered anew, no mode is changed, nobody
    /// is notified.
    #[test]
    fn a_busy_connection_only_receives_sends_and_waits_for_events() {
        use greenhub::net::{TcpListener, TcpStream};
        use std::io::{Read, Write};

        let name = "without::a_busy_connection_only_receives_sends_and_waits_for_events";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                runtime(1).run(|| {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap();
                    drop(kind.spawn(move || {
                        let (mut stream, _) = listener.accept().unwrap();
                        let mut buffer = [0; 64];
                        while let Ok(n @ 1..) = stream.read(&mut buffer) {
                            stream.write_all(&buffer[..n]).unwrap();
                        }
                    }));
                    kind.spawn(move || {
                        let mut stream = TcpStream::connect(address).unwrap();
                        let mut ask = |times: usize| {
                            for _ in 0..times {
                                stream.write_all(b"echo").unwrap();
                                stream.read_exact(&mut [0; 4]).unwrap();
                            }
                        };
                        ask(100);
                        let enough = [
                            libc::SYS_recvfrom,
                            libc::SYS_sendto,
                            libc::SYS_epoll_pwait2,
                            // On older kernels.
                            libc::SYS_epoll_pwait,
                            // Where the clock is not to be had without.
                            libc::SYS_clock_gettime,
                        ];
                        if !allow_only(&[&EXIT[..], &enough[..]].concat(), false) {
                            return skipped();
                        }
                        ask(5_000);
                        leave();
                    })
                    .join()
                    .unwrap();
                });
            });
            outcome.relay();
            outcome.assert_success();
        }
    }

    /// Each hub sleeps in the one call that it has made before.
    #[test]
    fn an_idle_runtime_makes_no_system_call() {
        let outcome = child::run("without::an_idle_runtime_makes_no_system_call", || {
            let runtime = runtime(4);
            runtime.run(|| {
                drop(greenhub::spawn(greenhub::park));
                drop(greenhub::spawn(|| {
                    greenhub::sleep(Duration::from_secs(1000))
                }));
                greenhub::spawn_compute(|| ()).join().unwrap();
                greenhub::sleep(Duration::from_millis(1));
            });
            let polls = || {
                let metrics = runtime.metrics();
                metrics
                    .hubs()
                    .iter()
                    .chain(metrics.compute_hubs())
                    .map(|hub| hub.polls)
                    .sum::<u64>()
            };
            // Until all of them are asleep.
            let mut before = polls();
            let asleep = support::process::settles(|| {
                std::thread::sleep(Duration::from_millis(20));
                std::mem::replace(&mut before, polls()) == before
            });
            assert!(asleep, "the hubs never come to rest");
            // This thread's own wait, and what it ends with.
            let mine = [
                libc::SYS_clock_nanosleep,
                libc::SYS_nanosleep,
                libc::SYS_exit_group,
            ];
            if !allow_only(&mine, true) {
                skipped();
                std::process::exit(0);
            }
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(polls(), before);
            leave();
        });
        outcome.relay();
        outcome.assert_success();
    }

    #[test]
    fn an_idle_runtime_uses_no_processor_time() {
        fn used() -> Duration {
            // SAFETY: zero is valid for each field, and so is the pointer.
            let usage = unsafe {
                let mut usage: libc::rusage = std::mem::zeroed();
                assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
                usage
            };
            [usage.ru_utime, usage.ru_stime]
                .map(|time| {
                    Duration::from_secs(time.tv_sec as u64)
                        + Duration::from_micros(time.tv_usec as u64)
                })
                .iter()
                .sum()
        }
        let outcome = child::run("without::an_idle_runtime_uses_no_processor_time", || {
            let runtime = runtime(4);
            runtime.run(|| {
                drop(greenhub::spawn(greenhub::park));
                greenhub::spawn_compute(|| ()).join().unwrap();
            });
            // One window without a tick is enough: what the hubs did before they came to rest does not count.
            let quiet = (0..20).any(|_| {
                let before = used();
                std::thread::sleep(Duration::from_millis(200));
                used() - before < Duration::from_millis(2)
            });
            assert!(quiet, "the hubs use the processor all the time");
        });
        outcome.assert_success();
    }
}
