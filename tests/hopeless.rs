//! Waits of greenlets that unwind: they block their hub, and whoever could end them may be settled there. Such a wait is told of.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use common::{Kind, OnDrop, in_child, stderr, until_parked, until_parked_in};
use greenhub::detector::{BlockingDetector, Cause};
use greenhub::runtime::{Runtime, WaitKind};
use greenhub::sync::{Mutex, RwLock};
use greenhub::{channel, park};

/// A runtime with one hub, and what its detector reports.
fn watched(limit: Duration) -> (Runtime, mpsc::Receiver<(Cause, String, Duration)>) {
    let (sender, reports) = mpsc::channel();
    let detector = BlockingDetector::new()
        .max_blocking_time(limit)
        .on_report(move |report| {
            let _ = sender.send((report.cause(), report.to_string(), report.elapsed()));
        });
    let runtime = Runtime::builder().hubs(1).detector(detector).build();
    (runtime.unwrap(), reports)
}

/// Ends the process, whose hub is blocked for ever.
fn leave(passed: bool) -> ! {
    std::process::exit(if passed { 0 } else { 1 });
}

/// The greenlet that unwinds, by a kill, waits for a lock; the holder is parked on the same hub.
fn deadlock<L, G>(runtime: &Runtime, lock: L, wait: impl FnOnce() + Send + 'static)
where
    L: FnOnce() -> G + Send + 'static,
{
    runtime.spawn(move || {
        let holder = greenhub::spawn(move || {
            let _guard = lock();
            park();
        });
        until_parked(holder.greenlet());
        let mut wait = Some(wait);
        let killed = greenhub::spawn(move || {
            let _waits = OnDrop(|| wait.take().expect("dropped once")());
            park();
        });
        until_parked_in(killed.greenlet(), "park");
        killed.kill();
    });
}

const LONG: Duration = Duration::from_secs(1000);

fn holder_of(cause: Cause) -> Option<(u32, u32)> {
    match cause {
        Cause::WaitsWhileUnwinding {
            wait: WaitKind::Lock,
            place,
            holder: Some((_, since)),
        } => Some((place.line(), since.line())),
        _ => None,
    }
}

/// The detector's limit has nothing to do with it: it is told of at once, with both lines.
#[test]
fn a_lock_that_a_greenlet_of_the_hub_holds_is_told_of_at_once() {
    let output = in_child(
        "a_lock_that_a_greenlet_of_the_hub_holds_is_told_of_at_once",
        &[],
        || {
            let (runtime, reports) = watched(LONG);
            let lock = Arc::new(Mutex::new(()));
            let held = Arc::clone(&lock);
            let (taken, wanted) = (line!() + 4, line!() + 5);
            deadlock(
                &runtime,
                // Its guard lives on.
                move || std::mem::forget(held.lock()),
                move || drop(lock.lock()),
            );
            let (cause, text, _) = reports.recv().unwrap();
            let told = holder_of(cause) == Some((wanted, taken));
            eprintln!("{text}");
            leave(told && text.contains("this never ends"));
        },
    );
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
}

#[test]
fn so_is_a_lock_for_reading_that_a_writer_holds() {
    let output = in_child("so_is_a_lock_for_reading_that_a_writer_holds", &[], || {
        let (runtime, reports) = watched(LONG);
        let lock = Arc::new(RwLock::new(()));
        let held = Arc::clone(&lock);
        deadlock(
            &runtime,
            move || std::mem::forget(held.write()),
            move || drop(lock.read()),
        );
        let (cause, text, _) = reports.recv().unwrap();
        eprintln!("{text}");
        leave(holder_of(cause).is_some());
    });
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Without a detector it goes to stderr, in debug builds, where holders are noted.
#[test]
fn without_a_detector_it_is_said_on_stderr() {
    if !cfg!(debug_assertions) {
        return;
    }
    let output = in_child("without_a_detector_it_is_said_on_stderr", &[], || {
        let runtime = common::runtime(1);
        let lock = Arc::new(Mutex::new(()));
        let held = Arc::clone(&lock);
        let (reached, waits) = mpsc::channel();
        deadlock(
            &runtime,
            move || std::mem::forget(held.lock()),
            move || {
                // With a limit of its own the wait ends, and nothing is said of it.
                assert!(lock.try_lock_for(Duration::from_millis(1)).is_none());
                assert!(lock.try_lock().is_none());
                reached.send(()).unwrap();
                drop(lock.lock());
            },
        );
        waits.recv().unwrap();
        // What it has to say it says before it waits.
        let waits = || {
            runtime
                .dump()
                .to_string()
                .contains("lock at tests/hopeless.rs")
        };
        common::eventually("it waits", waits);
        leave(true);
    });
    let said = stderr(&output);
    assert!(
        said.contains("deadlock") && said.contains("hopeless.rs"),
        "{said}"
    );
    assert_eq!(said.matches("greenhub: deadlock").count(), 1, "{said}");
}

/// Where nobody knows who could end the wait, the detector names it for what it is when the time has come, with the right advice.
#[test]
fn other_waits_while_unwinding_have_a_cause_of_their_own() {
    let output = in_child(
        "other_waits_while_unwinding_have_a_cause_of_their_own",
        &[],
        || {
            let (runtime, reports) = watched(Duration::from_millis(20));
            let (sender, receiver) = channel::bounded(0);
            runtime.spawn(move || {
                let _would_receive = Kind::Settled.spawn(move || {
                    park();
                    receiver.recv()
                });
                let panics = Kind::Settled.spawn(move || {
                    let _sends = OnDrop(|| {
                        let _in_vain = sender.send_timeout((), Duration::from_secs(10));
                    });
                    panic!("this one unwinds");
                });
                let _ = catch_unwind(AssertUnwindSafe(|| panics.join()));
            });
            let (cause, text, elapsed) = reports.recv().unwrap();
            eprintln!("{text}");
            let is_send = matches!(
                cause,
                Cause::WaitsWhileUnwinding {
                    wait: WaitKind::Send,
                    holder: None,
                    ..
                }
            );
            let advised = text.contains("destructor") && text.contains("greenhub::shield");
            leave(is_send && advised && elapsed >= Duration::from_millis(20));
        },
    );
    assert!(output.status.success(), "{}", stderr(&output));
}

/// A socket's wait while unwinding is a poll(2): it is named, too.
#[test]
fn a_socket_is_no_exception() {
    let output = in_child("a_socket_is_no_exception", &[], || {
        let (runtime, reports) = watched(Duration::from_millis(20));
        runtime.spawn(|| {
            let (mut ours, theirs) = greenhub::net::unix::UnixStream::pair().unwrap();
            let killed = Kind::Settled.spawn(move || {
                let _reads = OnDrop(|| drop(std::io::Read::read(&mut ours, &mut [0])));
                park();
            });
            until_parked(killed.greenlet());
            killed.kill();
            park();
            drop(theirs);
        });
        let (cause, text, _) = reports.recv().unwrap();
        eprintln!("{text}");
        leave(matches!(
            cause,
            Cause::WaitsWhileUnwinding {
                wait: WaitKind::Read,
                ..
            }
        ));
    });
    assert!(output.status.success(), "{}", stderr(&output));
}
