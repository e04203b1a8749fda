//! The stack in a report is that of the greenlet named, wherever its code is when it is looked at; and nobody but the
//! watchdog notices.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    feature = "stacks"
))]

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greenhub::detector::{BlockingDetector, BlockingReport};
use greenhub::runtime::Runtime;
use support::{KINDS, Kind, Random, child, times};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A runtime whose detector allows `limit`, and what it reports.
fn watched(hubs: usize, limit: Duration) -> (Runtime, Receiver<BlockingReport>) {
    support::watched::watched(hubs, BlockingDetector::new().max_blocking_time(limit))
}

/// Has a greenlet of each kind run `body`, which is to go on until its argument is true, and gives the first report of it
/// that has a stack.
fn report_of(body: fn(&AtomicBool)) -> [BlockingReport; 2] {
    KINDS.map(|kind| {
        let begin = Instant::now();
        loop {
            let (runtime, reports) = watched(1, Duration::from_millis(5));
            let report = run_until_reported(&runtime, &reports, kind, body);
            if !report.stack().is_empty() {
                return report;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "no report has a stack: {report}"
            );
        }
    })
}

/// The same, and gives the first report.
fn run_until_reported(
    runtime: &Runtime,
    reports: &Receiver<BlockingReport>,
    kind: Kind,
    body: fn(&AtomicBool),
) -> BlockingReport {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            runtime.run(|| {
                let greenlet = kind.builder().stack_size(4 << 20);
                greenlet.spawn(move || body(&stop)).unwrap().join().unwrap();
            });
        });
        let report = reports.recv_timeout(PATIENCE);
        stopper.store(true, Ordering::Relaxed);
        running.join().unwrap();
        report.expect("a report")
    })
}

#[inline(never)]
fn spins(stop: &AtomicBool) {
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        count = black_box(count.wrapping_mul(17) ^ 5);
    }
}

#[test]
fn the_stack_names_the_function_that_computes_and_its_line() {
    for report in report_of(spins) {
        let frame = report
            .stack()
            .iter()
            .find(|frame| frame.function == "capture::spins")
            .unwrap_or_else(|| panic!("{}", report));
        assert!(frame.file.as_ref().unwrap().ends_with("capture.rs"));
        let line = frame.line.unwrap();
        let first = line!();
        assert!((first - 40..first).contains(&line), "{}", report);
        for runtimes in ["corosensei", "greenhub::scheduler", "std::panic"] {
            assert!(!report.to_string().contains(runtimes), "{}", report);
        }
    }
}

/// Computes 10,000 calls deep.
fn recurses(stop: &AtomicBool) {
    #[inline(never)]
    fn deeper(depth: u32, stop: &AtomicBool) -> u32 {
        if depth == 0 {
            spins(stop);
            return 0;
        }
        black_box(deeper(depth - 1, stop)) + 1
    }
    black_box(deeper(10_000, stop));
}

#[test]
fn of_a_deep_stack_the_innermost_part_is_told() {
    for report in report_of(recurses) {
        let names: Vec<&str> = report
            .stack()
            .iter()
            .map(|frame| frame.function.as_str())
            .collect();
        assert!(names.len() > 100, "{}", report);
        assert!(names[..4].contains(&"capture::spins"), "{}", report);
        let deeper = names.iter().filter(|name| name.contains("deeper"));
        assert!(deeper.count() > 90, "{}", report);
        assert!(names.last().unwrap().contains("more calls"), "{}", report);
    }
}

/// What a greenlet may be at when it is looked at, each for as long as it is asked to.
mod culprits {
    use super::*;

    pub(super) type Culprit = fn(Duration);

    pub(super) const ALL: [(&str, Culprit); 6] = [
        ("allocates", allocates),
        ("prints", prints),
        ("locks", locks),
        ("recurses", recurses),
        ("unwinds", unwinds),
        ("ends", ends),
    ];

    fn repeat(length: Duration, mut step: impl FnMut()) {
        let begin = Instant::now();
        while begin.elapsed() < length {
            step();
        }
    }

    #[inline(never)]
    fn allocates(length: Duration) {
        let mut kept = Vec::new();
        let mut size = 1;
        repeat(length, || {
            kept.push(vec![0_u8; size]);
            size = size * 5 % 70_001;
            if kept.len() > 30 {
                kept.clear();
            }
        });
    }

    #[inline(never)]
    fn prints(length: Duration) {
        repeat(length, || println!("a line"));
    }

    #[inline(never)]
    fn locks(length: Duration) {
        static LOCK: Mutex<u64> = Mutex::new(0);
        repeat(length, || *LOCK.lock().unwrap() += 1);
    }

    #[inline(never)]
    fn recurses(length: Duration) {
        #[inline(never)]
        fn deeper(depth: u32) -> u32 {
            if depth == 0 {
                0
            } else {
                black_box(deeper(depth - 1)) + 1
            }
        }
        repeat(length, || {
            black_box(deeper(10_000));
        });
    }

    #[inline(never)]
    fn unwinds(length: Duration) {
        repeat(length, || {
            let unwound = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(17)));
            assert!(unwound.is_err());
        });
    }

    /// As soon as it is over so is the greenlet, perhaps just as it is looked at.
    #[inline(never)]
    fn ends(length: Duration) {
        repeat(length, || ());
    }
}

/// Broken on purpose: a handler that does not look at the slice (`signal::copy` without `is_meant`) copies the stack of the next
/// greenlet, and this names its function.
#[test]
fn culprits_are_captured_whatever_they_are_at() {
    let name = "culprits_are_captured_whatever_they_are_at";
    for kind in KINDS {
        // In a child, whose output is not mixed with the test's.
        child::run_with(name, kind.name(), |kind| {
            let kind = Kind::named(kind);
            let (runtime, reports) = watched(2, Duration::from_millis(1));
            let mut random = Random::new(26);
            let mut told: Vec<BlockingReport> = Vec::new();
            let has_stack = |report: &BlockingReport| !report.stack().is_empty();
            let least = times(1_000, 60) / 12;
            // Slices this short may all be over before they can be captured, for a while.
            for round in 0.. {
                if round >= least && told.iter().any(has_stack) {
                    break;
                }
                let lengths = [(); 12].map(|()| Duration::from_micros(random.below(12_000)));
                runtime.run(|| {
                    let greenlets: Vec<_> = (0..12)
                        .map(|index| {
                            let (name, culprit) = culprits::ALL[index % culprits::ALL.len()];
                            let length = lengths[index];
                            let builder = kind.builder().name(name.into()).stack_size(4 << 20);
                            builder.spawn(move || culprit(length)).unwrap()
                        })
                        .collect();
                    for greenlet in greenlets {
                        greenlet.join().unwrap();
                    }
                });
                told.extend(reports.try_iter());
            }
            drop(runtime);
            told.extend(reports.iter());
            let reports = told;
            for report in &reports {
                for frame in report.stack() {
                    let Some((_, function)) = frame.function.split_once("capture::culprits::")
                    else {
                        continue;
                    };
                    let own = report.name().is_some_and(|name| function.starts_with(name));
                    assert!(own || function.starts_with("repeat"), "{report}");
                }
            }
            eprintln!("{} reports", reports.len());
        })
        .assert_success();
    }
}
