//! When everything waits, whoever waits in `run` is told so, once; and not while anything can still come by itself.
//!
//! Shown to fail: without the look at timers, at the waits for sockets, or at offloaded calls, the test of each reports; with
//! the mark that it was reported taken away, it is reported twice.
#![cfg(unix)]

mod common;
#[path = "support/dialogue.rs"]
mod dialogue;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{Watchdog, in_child, runtime, stderr, until_parked_in};
use dialogue::{is_child, wait_for_parent};
use greenhub::net::TcpListener;

/// Switches the detector on; nothing here runs for so long.
const ON: (&str, &str) = ("GREENHUB_MAX_BLOCKING_TIME", "30s");

/// A report takes two looks, a second apart: whoever is silent for so long is silent.
const SILENCE: Duration = Duration::from_millis(2600);

const REPORT: &str = "greenhub: everything waits: ";

#[test]
fn it_is_reported_once_with_a_dump() {
    const TEST: &str = "it_is_reported_once_with_a_dump";
    if is_child(TEST) {
        in_child(TEST, &[], || {
            let runtime = runtime(2);
            let main = greenhub::channel::unbounded();
            let helper = std::thread::spawn(move || {
                let greenlet: greenhub::Greenlet = main.1.recv().unwrap();
                wait_for_parent();
                greenlet.unpark();
                // And once more.
                let greenlet = main.1.recv().unwrap();
                std::thread::sleep(SILENCE);
                greenlet.unpark();
            });
            for _ in 0..2 {
                let sender = main.0.clone();
                runtime.run(move || {
                    let (_sender, receiver) = greenhub::channel::bounded::<()>(1);
                    let lost = greenhub::spawn(move || receiver.recv().is_ok());
                    until_parked_in(lost.greenlet(), "receive");
                    sender.send(greenhub::current()).unwrap();
                    greenhub::park();
                    lost.kill();
                });
            }
            helper.join().unwrap();
            eprintln!("went on");
        });
    }
    let _watchdog = Watchdog::new();
    let mut child = dialogue::begin(TEST, &[ON]);
    let line = child.until(REPORT);
    assert!(
        line.contains("the caller of `run` at tests/all_waiting.rs:"),
        "{line}"
    );
    child.until("runtime 'greenhub': 2 greenlets (2 parked), 2 hubs");
    child.until(": parked in park at tests/all_waiting.rs:");
    child.until(": parked in receive at tests/all_waiting.rs:");
    child.go_on();
    let said = child.end();
    assert!(said.contains("went on"), "{said}");
    assert_eq!(said.matches(REPORT).count(), 1, "{said}");
}

/// Runs `body` as the main greenlet in a child; nothing must be reported.
#[track_caller]
fn silent(test: &str, environment: &[(&str, &str)], body: fn()) {
    let output = in_child(test, environment, body);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains(REPORT), "{text}");
}

#[test]
fn not_while_a_timer_is_armed() {
    silent("not_while_a_timer_is_armed", &[ON], || {
        runtime(2).run(|| greenhub::sleep(SILENCE));
    });
}

#[test]
fn not_while_a_greenlet_is_to_start_later() {
    silent("not_while_a_greenlet_is_to_start_later", &[ON], || {
        runtime(2).run(|| greenhub::spawn_after(SILENCE, || ()).join().unwrap());
    });
}

#[test]
fn not_while_a_greenlet_waits_for_a_socket() {
    silent("not_while_a_greenlet_waits_for_a_socket", &[ON], || {
        runtime(2).run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                std::thread::sleep(SILENCE);
                stream.write_all(&[1]).unwrap();
            });
            let (mut stream, _) = listener.accept().unwrap();
            let reading = greenhub::spawn(move || stream.read(&mut [0]).unwrap());
            assert_eq!(reading.join().unwrap(), 1);
            client.join().unwrap();
        });
    });
}

#[test]
fn not_while_an_offloaded_call_is_under_way() {
    silent("not_while_an_offloaded_call_is_under_way", &[ON], || {
        runtime(2).run(|| greenhub::offload(|| std::thread::sleep(SILENCE)));
    });
}

#[test]
fn not_while_a_greenlet_runs() {
    silent("not_while_a_greenlet_runs", &[ON], || {
        runtime(2).run(|| {
            let main = greenhub::current();
            greenhub::spawn(move || {
                let begun = Instant::now();
                while begun.elapsed() < SILENCE {
                    greenhub::yield_now();
                }
                main.unpark();
            });
            greenhub::park();
        });
    });
}

/// The compute lane counts as well.
#[test]
fn not_while_a_greenlet_computes() {
    silent("not_while_a_greenlet_computes", &[ON], || {
        runtime(2).run(|| {
            let hog = greenhub::spawn_compute(|| {
                let begun = Instant::now();
                while begun.elapsed() < SILENCE {
                    std::hint::spin_loop();
                }
            });
            hog.join().unwrap();
        });
    });
}

#[test]
fn not_without_the_detector() {
    silent(
        "not_without_the_detector",
        &[("GREENHUB_MAX_BLOCKING_TIME", "0")],
        || {
            runtime(2).run(|| {
                let main = greenhub::current();
                std::thread::spawn(move || {
                    std::thread::sleep(SILENCE);
                    main.unpark();
                });
                greenhub::park();
            });
        },
    );
}
