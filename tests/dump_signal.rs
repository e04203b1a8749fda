//! `GREENHUB_DUMP_SIGNAL`: a dump on stderr at a signal, and the program goes on.
#![cfg(unix)]

mod common;
#[path = "support/dialogue.rs"]
mod dialogue;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Watchdog, in_child, runtime, stderr, until_parked_in};
use dialogue::{Dialogue, is_child, wait_for_parent};

const SIGNAL: &str = "GREENHUB_DUMP_SIGNAL";

fn send(child: &Dialogue, signal: libc::c_int) {
    // SAFETY: the child has not been waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(child.pid(), signal) }, 0);
}

#[test]
fn a_signal_makes_a_dump_of_every_runtime_and_the_program_goes_on() {
    const TEST: &str = "a_signal_makes_a_dump_of_every_runtime_and_the_program_goes_on";
    if is_child(TEST) {
        in_child(TEST, &[], || {
            let (one, other) = (runtime(1), runtime(2));
            let builder = greenhub::Builder::new().name(String::from("patient"));
            let patient = one.run(|| builder.spawn(greenhub::park).unwrap());
            until_parked_in(patient.greenlet(), "park");
            // The other runtime's hub is stuck in a call that blocks, and is not disturbed.
            other.run(|| {
                eprintln!("ready");
                wait_for_parent();
            });
            patient.greenlet().unpark();
            patient.join().unwrap();
            eprintln!("went on");
        });
    }
    let _watchdog = Watchdog::new();
    let mut child = dialogue::begin(TEST, &[(SIGNAL, "QUIT")]);
    child.until("ready");
    for _ in 0..2 {
        send(&child, libc::SIGQUIT);
        child.until("greenhub: dump of runtime 'greenhub': 1 greenlet (1 parked), 1 hub");
        let line = child.until("'patient': parked in park at ");
        assert!(line.contains("dump_signal.rs:"), "{line}");
        child.until("greenhub: dump of runtime 'greenhub': 1 greenlet (1 running), 2 hubs");
        if cfg!(target_os = "linux") {
            child.until("gives no answer");
        }
    }
    child.go_on();
    assert!(child.end().contains("went on"));
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn whoever_handled_the_signal_before_is_called_as_well() {
    const TEST: &str = "whoever_handled_the_signal_before_is_called_as_well";
    if is_child(TEST) {
        in_child(TEST, &[], || {
            let count = count as extern "C" fn(libc::c_int);
            // SAFETY: the handler only counts.
            unsafe { libc::signal(libc::SIGUSR2, count as libc::sighandler_t) };
            let runtime = runtime(1);
            eprintln!("ready");
            wait_for_parent();
            drop(runtime);
            eprintln!("handled {}", HANDLED.load(Ordering::Relaxed));
        });
    }
    let _watchdog = Watchdog::new();
    let mut child = dialogue::begin(TEST, &[(SIGNAL, &libc::SIGUSR2.to_string())]);
    child.until("ready");
    send(&child, libc::SIGUSR2);
    child.until("greenhub: dump of runtime");
    child.go_on();
    assert!(child.end().contains("handled 1"));
}

#[test]
fn what_is_no_signal_is_complained_of_once() {
    let output = in_child(
        "what_is_no_signal_is_complained_of_once",
        &[(SIGNAL, "QUITE")],
        || drop((runtime(1), runtime(1))),
    );
    assert!(output.status.success());
    let text = stderr(&output);
    let lines: Vec<_> = text.lines().filter(|line| line.contains(SIGNAL)).collect();
    let expected = "greenhub: GREENHUB_DUMP_SIGNAL must be the name or number of a signal that can be handled, such as \
                    QUIT, not 'QUITE'; no signal makes a dump";
    assert_eq!(lines, [expected]);
}
