//! Three greenlets that keep their hub to themselves, each in its own way, and the detector that names them.
//!
//! It prints the reports, and fails if one of the three is not reported, with its cause and the line that it is stuck in:
//! `cargo run --release --example stall`. To see the same of any program, without a change: `GREENHUB_MAX_BLOCKING_TIME=100ms`.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenhub::Builder;
use greenhub::detector::{BlockingDetector, BlockingReport, Cause};
use greenhub::runtime::Runtime;

/// Computes without a break, until it has been reported.
#[inline(never)]
fn count_until(reported: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !reported.load(Ordering::Relaxed) {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
    sum
}

/// Waits for a lock of std's that a thread holds: the whole hub waits.
#[inline(never)]
fn lock_the_registry(registry: &Mutex<u32>) -> u32 {
    *registry.lock().expect("it is not poisoned")
}

/// Reads from a pipe into which nobody writes for a while.
#[inline(never)]
fn read_the_answer(from: &mut impl Read) -> u8 {
    let mut answer = [0];
    from.read_exact(&mut answer).expect("the other end writes");
    answer[0]
}

/// Waits until that culprit is reported.
fn report_of(name: &str, reports: &Receiver<BlockingReport>) -> Option<BlockingReport> {
    loop {
        let report = reports.recv_timeout(Duration::from_secs(20)).ok()?;
        println!("{report}\n");
        if report.name() == Some(name) {
            return Some(report);
        }
    }
}

/// What the detector must have found: the cause, and the function that does it.
fn check(
    name: &str,
    report: Option<BlockingReport>,
    is_it: impl Fn(Cause) -> bool,
    function: &str,
) -> bool {
    let Some(report) = report else {
        println!("{name} was not reported");
        return false;
    };
    let stack = report.stack();
    let named = stack.iter().any(|frame| frame.function.contains(function));
    // Where the platform shows no stacks, there is nothing to check.
    let right = is_it(report.cause()) && (named || stack.is_empty());
    if !right {
        println!("{name} was reported for something else");
    }
    right
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.to_owned())
}

fn hog(runtime: &Runtime, reports: &Receiver<BlockingReport>) -> bool {
    let reported = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&reported);
    let hog = move || black_box(count_until(&seen));
    let spawned = runtime.run(|| named("hog").spawn(hog));
    let report = report_of("hog", reports);
    reported.store(true, Ordering::Relaxed);
    drop(spawned);
    check("hog", report, |cause| cause == Cause::Cpu, "count_until")
}

fn sleeper(runtime: &Runtime, reports: &Receiver<BlockingReport>) -> bool {
    let registry = Arc::new(Mutex::new(7));
    let held = registry.lock().expect("it is not poisoned");
    let wanted = Arc::clone(&registry);
    let sleeper = move || lock_the_registry(&wanted);
    let spawned = runtime.run(|| named("sleeper").spawn(sleeper));
    let report = report_of("sleeper", reports);
    drop((held, spawned));
    let is_lock = |cause| matches!(cause, Cause::Syscall { name: "futex", .. });
    check("sleeper", report, is_lock, "lock_the_registry")
}

fn reader(runtime: &Runtime, reports: &Receiver<BlockingReport>) -> bool {
    let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
    let cat = Command::new("cat").stdin(stdin).stdout(stdout).spawn();
    let mut cat = cat.expect("there is a `cat`");
    let (input, mut output) = (cat.stdin.take(), cat.stdout.take());
    let reader = move || output.as_mut().map(read_the_answer);
    let spawned = runtime.run(|| named("reader").spawn(reader));
    let report = report_of("reader", reports);
    let written = input.map(|mut input| input.write_all(b"!"));
    written.expect("it is piped").expect("`cat` reads");
    cat.wait().expect("`cat` ends");
    drop(spawned);
    let is_read = |cause| matches!(cause, Cause::Syscall { name: "read", .. });
    check("reader", report, is_read, "read_the_answer")
}

fn main() -> ExitCode {
    let (sender, reports) = mpsc::channel();
    let detector = BlockingDetector::new()
        .max_blocking_time(Duration::from_millis(50))
        .on_report(move |report| drop(sender.send(BlockingReport::clone(report))));
    let runtime = Runtime::builder().hubs(1).detector(detector).build();
    let runtime = runtime.expect("the runtime starts");
    // On a machine that has more to do than it can, a thread may be found waiting for a processor: then once more.
    let caught = [hog, sleeper, reader].map(|stall| (0..3).any(|_| stall(&runtime, &reports)));
    for site in runtime.metrics().blocking_sites() {
        let (place, slices) = (site.spawned_at, site.slices);
        println!("{place}: {slices} times, {:?} altogether", site.total);
    }
    if caught == [true; 3] {
        println!("all three were caught");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
