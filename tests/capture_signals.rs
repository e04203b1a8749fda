//! Nobody but the watchdog notices that stacks are captured: not the program's own handler of the signal, nor `errno`, nor
//! calls in progress. And whatever the culprit is at, capturing it neither crashes nor hangs.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    feature = "stacks"
))]

mod support;

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use greenhub::detector::{BlockingDetector, BlockingReport};
use greenhub::runtime::Runtime;
use support::{KINDS, Random, Watchdog, child, times};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A runtime whose detector allows `limit`, and what it reports.
fn watched(hubs: usize, limit: Duration) -> (Runtime, Receiver<BlockingReport>) {
    support::watched::watched(hubs, BlockingDetector::new().max_blocking_time(limit))
}

/// Computes until it is told to stop.
#[inline(never)]
fn spin_until(stop: impl Fn() -> bool) {
    let mut count = 0_u64;
    while !stop() {
        count = black_box(count.wrapping_mul(17) ^ 5);
    }
}

/// Has a greenlet compute until it is reported: with a stack, or so many times without one.
fn spin_until_reported(stackless: usize) -> BlockingReport {
    let mut attempts = 0;
    loop {
        let (runtime, reports) = watched(1, Duration::from_millis(5));
        let stop = AtomicBool::new(false);
        let report = thread::scope(|scope| {
            let running = scope.spawn(|| {
                runtime.run(|| spin_until(|| stop.load(Ordering::Relaxed)));
            });
            let report = reports.recv_timeout(PATIENCE);
            stop.store(true, Ordering::Relaxed);
            running.join().unwrap();
            report.expect("a report")
        });
        attempts += 1;
        if attempts == stackless || !report.stack().is_empty() {
            return report;
        }
    }
}

static CALLS: AtomicU32 = AtomicU32::new(0);
static VALUES: AtomicU32 = AtomicU32::new(0);

extern "C" fn told_all(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    assert!(signal == libc::SIGURG && !context.is_null());
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the system's; a signal that is sent with a value has one.
    let value = unsafe {
        if (*info).si_code == libc::SI_QUEUE {
            (*info).si_value().sival_ptr.addr()
        } else {
            0
        }
    };
    VALUES.fetch_add(value as u32, Ordering::Relaxed);
    // SAFETY: this thread's.
    unsafe { *libc::__errno_location() = 1 };
}

extern "C" fn told_the_signal(signal: libc::c_int) {
    assert!(signal == libc::SIGURG);
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Handles `SIGURG` as a user's program might.
fn handle(handler: libc::sighandler_t, flags: libc::c_int) {
    // SAFETY: zero is a valid value for each field, and the tests' handlers are valid ones.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()), 0);
    }
}

/// Sends the process a signal with a value, and waits until `calls` have been counted.
fn send(value: usize, calls: u32) {
    let value = libc::sigval {
        sival_ptr: ptr::without_provenance_mut(value),
    };
    // SAFETY: neither has preconditions.
    let result = unsafe { libc::sigqueue(libc::getpid(), libc::SIGURG, value) };
    assert_eq!(result, 0);
    let begin = Instant::now();
    while CALLS.load(Ordering::Relaxed) < calls {
        assert!(begin.elapsed() < PATIENCE, "the handler was not called");
        thread::yield_now();
    }
}

#[test]
fn a_handler_that_was_there_before_gets_its_own_signals_and_no_others() {
    let name = "a_handler_that_was_there_before_gets_its_own_signals_and_no_others";
    for kind in ["all", "signal"] {
        child::run_with(name, kind, |kind| {
            if kind == "all" {
                let flags = libc::SA_SIGINFO | libc::SA_RESTART;
                handle(told_all as *const () as libc::sighandler_t, flags);
            } else {
                handle(
                    told_the_signal as *const () as libc::sighandler_t,
                    libc::SA_RESTART,
                );
            }
            let report = spin_until_reported(100);
            assert!(!report.stack().is_empty(), "{report}");
            assert_eq!(CALLS.load(Ordering::Relaxed), 0);
            send(17, 1);
            // SAFETY: raise has no preconditions.
            assert_eq!(unsafe { libc::raise(libc::SIGURG) }, 0);
            assert_eq!(CALLS.load(Ordering::Relaxed), 2);
            let report = spin_until_reported(100);
            assert!(!report.stack().is_empty(), "{report}");
            assert_eq!(CALLS.load(Ordering::Relaxed), 2);
            let expected = if kind == "all" { 17 } else { 0 };
            assert_eq!(VALUES.load(Ordering::Relaxed), expected);
        })
        .assert_success();
    }
}

#[test]
fn a_handler_that_comes_later_is_left_alone() {
    let name = "a_handler_that_comes_later_is_left_alone";
    child::run(name, || {
        assert!(!spin_until_reported(100).stack().is_empty());
        handle(
            told_all as *const () as libc::sighandler_t,
            libc::SA_SIGINFO,
        );
        let report = spin_until_reported(3);
        assert!(report.stack().is_empty(), "{report}");
        assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    })
    .assert_success();
}

#[test]
fn a_signal_of_the_programs_own_with_the_value_of_anything_is_no_fault() {
    let name = "a_signal_of_the_programs_own_with_the_value_of_anything_is_no_fault";
    child::run(name, || {
        let flags = libc::SA_SIGINFO | libc::SA_RESTART;
        handle(told_all as *const () as libc::sighandler_t, flags);
        assert!(!spin_until_reported(100).stack().is_empty());
        let here = 0;
        for (index, value) in [0, 1, usize::MAX, ptr::from_ref(&here).addr()]
            .into_iter()
            .enumerate()
        {
            send(value, index as u32 + 1);
        }
    })
    .assert_success();
}

#[test]
fn errno_stays_as_it_was() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let (runtime, reports) = watched(1, Duration::from_millis(5));
        let stop = Arc::new(AtomicBool::new(false));
        let stopper = Arc::clone(&stop);
        let errno = thread::scope(|scope| {
            let running = scope.spawn(|| {
                let spins = move || {
                    // SAFETY: this thread's, on which the greenlet stays, as it does not wait.
                    let errno = unsafe { &mut *libc::__errno_location() };
                    *errno = 4242;
                    spin_until(|| stop.load(Ordering::Relaxed));
                    *errno
                };
                runtime.run(|| kind.spawn(spins).join().unwrap())
            });
            let report = reports.recv_timeout(PATIENCE);
            stopper.store(true, Ordering::Relaxed);
            report.expect("a report");
            running.join().unwrap()
        });
        assert_eq!(errno, 4242);
    }
}

/// Changes whether this thread takes the signal: `how` is `SIG_BLOCK` or `SIG_UNBLOCK`.
fn set_mask(how: libc::c_int) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled in, and then used for this thread's mask.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGURG);
        assert_eq!(libc::pthread_sigmask(how, set.as_ptr(), ptr::null_mut()), 0);
    }
}

/// The signal waits for this thread to take it.
fn is_pending() -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled in, and then looked into.
    unsafe {
        assert_eq!(libc::sigpending(set.as_mut_ptr()), 0);
        libc::sigismember(set.as_ptr(), libc::SIGURG) == 1
    }
}

#[test]
fn a_thread_that_blocks_the_signal_is_reported_without_a_stack() {
    let _watchdog = Watchdog::start();
    let (runtime, reports) = watched(1, Duration::from_millis(5));
    let spin_until_reported = |masked: bool| {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                runtime.run(|| {
                    if masked {
                        set_mask(libc::SIG_BLOCK);
                    }
                    spin_until(|| stop.load(Ordering::Relaxed));
                    // The signal that has waited comes now.
                    set_mask(libc::SIG_UNBLOCK);
                });
            });
            let report = reports.recv_timeout(PATIENCE);
            stop.store(true, Ordering::Relaxed);
            running.join().unwrap();
            report.expect("a report")
        })
    };
    let report = spin_until_reported(true);
    assert!(report.stack().is_empty(), "{report}");
    // What came late has done no harm: others are captured as before.
    let begin = Instant::now();
    while spin_until_reported(false).stack().is_empty() {
        assert!(begin.elapsed() < PATIENCE, "no report has a stack");
    }
}

/// Computes for a while, with the signal taken again.
#[inline(never)]
fn takes_the_signal() {
    set_mask(libc::SIG_UNBLOCK);
    spin_until(|| !is_pending());
}

/// Broken on purpose: a handler that does not look at the slice (`signal::copy` without `is_meant`) copies the second
/// greenlet's stack, and the report of the first shows it.
#[test]
fn a_signal_that_comes_a_slice_late_shows_nothing_of_the_next_greenlet() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let (runtime, reports) = watched(1, Duration::from_millis(2));
        runtime.run(|| {
            for _ in 0..times(20, 10) {
                let first = kind.builder().name("first".into()).spawn(|| {
                    set_mask(libc::SIG_BLOCK);
                    // Then it ends, and the question still stands. On a busy machine there may be none.
                    let begun = Instant::now();
                    spin_until(|| is_pending() || begun.elapsed() > Duration::from_millis(500));
                });
                let second = kind.builder().name("second".into()).spawn(takes_the_signal);
                first.unwrap().join().unwrap();
                second.unwrap().join().unwrap();
            }
        });
        drop(runtime);
        let reports: Vec<_> = reports.iter().collect();
        let of_first = |report: &&BlockingReport| report.name() == Some("first");
        assert!(reports.iter().any(|report| of_first(&report)));
        for report in reports.iter().filter(of_first) {
            let text = report.to_string();
            assert!(!text.contains("takes_the_signal"), "{text}");
        }
    }
}

/// Calls that block, of which no `EINTR` is expected: the result of each, as a kind of error or none.
mod calls {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    pub(super) type Call = fn() -> std::io::Result<()>;

    pub(super) const LENGTH: Duration = Duration::from_millis(15);

    pub(super) const ALL: [(&str, Call); 6] = [
        ("nanosleep", nanosleep),
        ("poll", poll),
        ("epoll_wait", epoll_wait),
        ("select", select),
        ("recv", recv),
        ("accept", accept),
    ];

    fn check(result: libc::c_int) -> std::io::Result<()> {
        if result < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    }

    fn nanosleep() -> std::io::Result<()> {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: LENGTH.as_nanos() as _,
        };
        // SAFETY: the time is there.
        check(unsafe { libc::nanosleep(&time, ptr::null_mut()) })
    }

    fn poll() -> std::io::Result<()> {
        // SAFETY: there are no descriptors.
        check(unsafe { libc::poll(ptr::null_mut(), 0, LENGTH.as_millis() as _) })
    }

    fn epoll_wait() -> std::io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: the descriptor is the call's own; there is room for an event.
        unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            let result = check(libc::epoll_wait(
                epoll,
                &mut event,
                1,
                LENGTH.as_millis() as _,
            ));
            libc::close(epoll);
            result
        }
    }

    fn select() -> std::io::Result<()> {
        let mut time = libc::timeval {
            tv_sec: 0,
            tv_usec: LENGTH.as_micros() as _,
        };
        let none = ptr::null_mut();
        // SAFETY: there are no descriptors; the time is there.
        check(unsafe { libc::select(0, none, none, none, &mut time) })
    }

    /// An error that says that the time has passed is what was wanted.
    fn timed_out<T>(result: std::io::Result<T>) -> std::io::Result<()> {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn recv() -> std::io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(LENGTH))?;
        // std does not try again for a datagram.
        timed_out(socket.recv(&mut [0; 8]))
    }

    fn accept() -> std::io::Result<()> {
        use std::os::fd::AsRawFd;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let time = libc::timeval {
            tv_sec: 0,
            tv_usec: LENGTH.as_micros() as _,
        };
        let length = size_of_val(&time) as libc::socklen_t;
        let none = ptr::null_mut();
        // SAFETY: the descriptor is the listener's, and the option is as long as said.
        timed_out(unsafe {
            let fd = listener.as_raw_fd();
            let level = libc::SOL_SOCKET;
            let option = ptr::from_ref(&time).cast();
            check(libc::setsockopt(
                fd,
                level,
                libc::SO_RCVTIMEO,
                option,
                length,
            ))?;
            check(libc::accept(fd, none, none.cast()))
        })
    }
}

/// Broken on purpose: a timer on the time of day (`signal::Alarm` with `CLOCK_MONOTONIC`, a millisecond ahead) also signals a
/// thread that has begun to wait meanwhile.
#[test]
fn calls_in_progress_see_no_new_eintr() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let (runtime, reports) = watched(2, Duration::from_millis(2));
        let rounds = times(20, 5);
        let failures = Arc::new(Mutex::new(Vec::new()));
        let fails = Arc::clone(&failures);
        let call_all = move |who: &'static str| {
            let mut random = Random::new(9);
            for _ in 0..rounds {
                for (name, call) in calls::ALL {
                    // A slice of its own. Its thread is to be asked now, or as the call begins, or in it.
                    greenhub::yield_now();
                    let (begun, length) = (Instant::now(), random.below(6_000));
                    spin_until(|| begun.elapsed() > Duration::from_micros(length));
                    if let Err(error) = call() {
                        fails
                            .lock()
                            .unwrap()
                            .push(format!("{who}: {name}: {error}"));
                    }
                }
            }
        };
        runtime.run(|| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let call_all = call_all.clone();
                    thread::spawn(move || call_all("a thread"))
                })
                .collect();
            // Each such call, made from a greenlet, is reported: its thread is looked at while it waits.
            let greenlets: Vec<_> = (0..2)
                .map(|_| {
                    let call_all = call_all.clone();
                    kind.spawn(move || call_all("a greenlet"))
                })
                .collect();
            greenlets
                .into_iter()
                .for_each(|greenlet| greenlet.join().unwrap());
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
        drop(runtime);
        assert_eq!(*failures.lock().unwrap(), [""; 0]);
        let reports: Vec<_> = reports.iter().collect();
        assert!(!reports.is_empty());
        assert!(reports.iter().any(|report| !report.stack().is_empty()));
    }
}
