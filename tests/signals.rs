//! What the system may do to a whole process: stop it, fork it, shower it with signals.

#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenhub::net::{TcpListener, TcpStream};
use support::{KINDS, Kind, Watchdog, child, runtime, times};

const SHORT: Duration = Duration::from_micros(500);

/// A bit of everything that waits: a timer, a socket, an offloaded call, another greenlet.
fn wait_for_everything(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = kind.spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        greenhub::sleep(SHORT);
        stream.write_all(&bytes).unwrap();
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let deadline = Instant::now() + SHORT;
    greenhub::sleep_until(deadline);
    assert!(Instant::now() >= deadline);
    stream.write_all(b"ping").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ping");
    server.join().unwrap();
    greenhub::offload(|| std::thread::sleep(SHORT));
    assert!(greenhub::timeout(SHORT, greenhub::park).is_err());
}

/// As long as `goes_on`, on 2 hubs, both kinds side by side.
fn wait_while(mut goes_on: impl FnMut() -> bool + Send) {
    runtime(2).run(|| {
        while goes_on() {
            let both = KINDS.map(|kind| kind.spawn(move || wait_for_everything(kind)));
            both.into_iter().for_each(|one| one.join().unwrap());
        }
    });
}

/// CHECKS.md row 24.
#[test]
fn a_process_that_was_stopped_goes_on_where_it_was() {
    child::run("a_process_that_was_stopped_goes_on_where_it_was", || {
        // A helper stops and continues its parent: this process.
        let mut stopper = Command::new("sh")
            .args([
                "-c",
                "for n in 1 2 3 4 5; do kill -STOP $PPID; sleep 0.05; kill -CONT $PPID; sleep 0.02; done",
            ])
            .spawn()
            .expect("a shell");
        let began = Instant::now();
        wait_while(move || {
            let ended = stopper.try_wait().expect("it can be waited for");
            ended.is_none_or(|status| {
                assert!(status.success());
                false
            })
        });
        // It was stopped, and for as long as that.
        assert!(began.elapsed() >= Duration::from_millis(5 * 50));
    })
    .assert_success();
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// CHECKS.md row 24: every system call of every thread is interrupted again and again, and none is restarted by the kernel. Seen to
/// fail with an interrupted wait of the poller taken for an error.
#[test]
fn a_storm_of_signals_breaks_nothing() {
    child::run("a_storm_of_signals_breaks_nothing", || {
        // SAFETY: zero is a valid value for each field; the handler only counts.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
            // No SA_RESTART. On the alternate stack: a greenlet's own may be small.
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                0
            );
        }
        static OVER: AtomicBool = AtomicBool::new(false);
        let storm = std::thread::spawn(|| {
            // SAFETY: it only asks.
            let (process, own) = unsafe { (libc::getpid(), libc::gettid()) };
            while !OVER.load(Ordering::Relaxed) {
                for thread in std::fs::read_dir("/proc/self/task").unwrap() {
                    // A thread may have ended since.
                    let name = thread.unwrap().file_name();
                    let thread: libc::pid_t = name.to_str().unwrap().parse().unwrap();
                    if thread != own {
                        // SAFETY: a signal that is handled.
                        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
                    }
                }
                std::thread::sleep(Duration::from_micros(20));
            }
        });
        let mut rounds = 0..times(100, 30);
        wait_while(|| rounds.next().is_some());
        OVER.store(true, Ordering::Relaxed);
        storm.join().unwrap();
        assert!(HANDLED.load(Ordering::Relaxed) > 100);
    })
    .assert_success();
}

/// CHECKS.md row 20. The child has one thread, and none of the hubs; it shares what is open with its parent, and lives on for as long
/// as it likes. The parent's hubs, sockets and timers go on, and its runtime ends.
#[test]
fn a_fork_in_a_greenlet_does_not_hang_the_parent() {
    child::run("a_fork_in_a_greenlet_does_not_hang_the_parent", || {
        for kind in KINDS {
            let runtime = runtime(2);
            let forked = runtime.run(|| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let waits = kind.spawn(move || drop(listener.accept()));
                let forked = kind.spawn(|| {
                    // SAFETY: the child only waits for its end, which is async-signal-safe.
                    match unsafe { libc::fork() } {
                        0 => loop {
                            // SAFETY: as above.
                            unsafe { libc::pause() };
                        },
                        pid => pid,
                    }
                });
                let pid = forked.join().unwrap();
                assert!(pid > 0);
                for _ in 0..times(20, 5) {
                    wait_for_everything(kind);
                }
                waits.kill();
                assert!(waits.join().unwrap_err().is_killed());
                pid
            });
            drop(runtime);
            // SAFETY: our own child, which has not been waited for.
            unsafe {
                let mut status = 0;
                assert_eq!(libc::kill(forked, 0), 0, "it lives");
                assert_eq!(libc::kill(forked, libc::SIGKILL), 0);
                assert_eq!(libc::waitpid(forked, &mut status, 0), forked);
            }
        }
    })
    .assert_success();
}

/// And a fork with an exec is no matter at all.
#[test]
fn programs_can_be_started_from_greenlets() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        runtime(2).run(|| {
            let started: Vec<_> = (0..8)
                .map(|n| {
                    kind.spawn(move || {
                        let mut command = Command::new("sh");
                        command.args(["-c", &format!("exit {n}")]);
                        greenhub::offload(move || command.status()).unwrap().code()
                    })
                })
                .collect();
            for (n, program) in started.into_iter().enumerate() {
                assert_eq!(program.join().unwrap(), i32::try_from(n).ok());
            }
        });
    }
}

/// CHECKS.md row 24: a jump of the wall clock changes nothing, because nothing asks for it. (To make the clock jump would disturb
/// the machine.) All that this library waits by is `Instant`, which is the monotonic clock, and relative timeouts.
#[test]
fn nothing_is_timed_by_the_wall_clock() {
    let wall = [
        "SystemTime",
        "UNIX_EPOCH",
        "CLOCK_REALTIME",
        "gettimeofday",
        "timerfd",
        "pthread_cond_timedwait",
        "sem_timedwait",
        "setitimer",
    ];
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for word in wall {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 50);
}
