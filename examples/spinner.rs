//! A spinner turns while a slow function runs, and is told to stop when the answer is there.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

#[derive(Default)]
struct Spinner {
    done: AtomicBool,
    turns: AtomicU32,
}

/// Turns until it is told to stop, and cleans up behind itself.
fn spin(spinner: &Spinner, message: &str) {
    let mut out = io::stderr();
    for shape in ['|', '/', '-', '\\'].iter().cycle() {
        if spinner.done.load(Relaxed) {
            break;
        }
        let _ = write!(out, "\r{shape} {message}").and_then(|()| out.flush());
        spinner.turns.fetch_add(1, Relaxed);
        greenhub::sleep(Duration::from_millis(100));
    }
    let _ = write!(out, "\r{:width$}\r", "", width = message.len() + 2);
}

/// Waits for something far away. Only this greenlet is held up.
fn slow_function() -> u32 {
    greenhub::sleep(Duration::from_secs(2));
    42
}

fn main() {
    let spinner = Arc::new(Spinner::default());
    let answer = greenhub::run({
        let spinner = spinner.clone();
        move || {
            let turning = greenhub::spawn({
                let spinner = spinner.clone();
                move || spin(&spinner, "thinking ...")
            });
            let answer = slow_function();
            spinner.done.store(true, Relaxed);
            turning.join().unwrap();
            answer
        }
    });
    println!("Answer: {answer}");

    assert_eq!(answer, 42);
    let turns = spinner.turns.load(Relaxed);
    assert!((2..=21).contains(&turns), "it turned {turns} times in 2 s");
}
