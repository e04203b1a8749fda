//! What the detector does to a whole process: the environment's switches, the text on stderr, system calls of others.

mod common;

use std::process::Output;
use std::time::{Duration, Instant};

use common::{in_child, stderr};
use greenhub::detector::BlockingDetector;
use greenhub::runtime::Runtime;

const TIME: &str = "GREENHUB_MAX_BLOCKING_TIME";
const ISOLATE: &str = "GREENHUB_ISOLATE";

/// The parent's side: the child must have ended well. In the child nothing is asserted here, it never comes back.
#[track_caller]
fn text_of(output: &Output) -> String {
    let text = stderr(output);
    assert!(output.status.success(), "{}\n{text}", output.status);
    text
}

fn spin(length: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        std::hint::spin_loop();
    }
}

/// Computes in one slice until it has been counted.
fn hog_until_counted() {
    let handle = greenhub::runtime::Handle::current();
    let deadline = Instant::now() + common::LIMIT;
    while handle.metrics().blocking_sites().is_empty() {
        assert!(Instant::now() < deadline, "waited in vain: it is counted");
        std::hint::spin_loop();
    }
}

/// Until the closing line has been written: the runtime's end sees to that.
fn hog_in_a_runtime_of_its_own() {
    let runtime = Runtime::builder().hubs(1).build().unwrap();
    runtime.run(hog_until_counted);
}

#[test]
fn the_environment_switches_the_detector_on() {
    let output = in_child(
        "the_environment_switches_the_detector_on",
        &[(TIME, "20ms")],
        hog_in_a_runtime_of_its_own,
    );
    let text = text_of(&output);
    let lines: Vec<_> = text.lines().collect();
    let blocked = lines
        .iter()
        .position(|line| line.starts_with("greenhub: blocked: greenlet #"))
        .unwrap_or_else(|| panic!("no report: {text}"));
    assert!(lines[blocked].contains("detector_process.rs:"), "{text}");
    assert!(lines[blocked].contains("has kept hub 0 for "), "{text}");
    assert!(lines[blocked + 1].starts_with("    cause: "), "{text}");
    assert!(text.contains("    stranded: nobody"), "{text}");
    let yielded = "greenhub: yielded: greenlet #";
    assert!(text.contains(yielded) && text.contains(" ran "), "{text}");
}

#[test]
fn the_environment_is_for_the_global_runtime_too() {
    let output = in_child(
        "the_environment_is_for_the_global_runtime_too",
        &[(TIME, "20")],
        || greenhub::run(hog_until_counted),
    );
    text_of(&output);
}

/// Seen to fail when nobody waited: the process ended while the stack's names were looked up.
#[test]
fn a_hog_at_the_very_end_of_the_process_is_told_of() {
    let output = in_child(
        "a_hog_at_the_very_end_of_the_process_is_told_of",
        &[(TIME, "20ms")],
        || {
            greenhub::run(hog_until_counted);
            std::process::exit(0);
        },
    );
    let text = text_of(&output);
    assert!(text.contains("greenhub: blocked: greenlet #"), "{text}");
}

#[test]
fn the_environment_can_ask_for_isolation_alone() {
    let output = in_child(
        "the_environment_can_ask_for_isolation_alone",
        &[(ISOLATE, "1")],
        hog_in_a_runtime_of_its_own,
    );
    assert!(text_of(&output).contains("    isolated: "));
}

#[test]
fn a_bad_value_is_complained_of_once_and_the_detector_is_off() {
    let output = in_child(
        "a_bad_value_is_complained_of_once_and_the_detector_is_off",
        &[(TIME, "soon")],
        || {
            for _ in 0..2 {
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                runtime.run(|| spin(Duration::from_millis(300)));
                assert!(runtime.metrics().blocking_sites().is_empty());
            }
        },
    );
    let text = text_of(&output);
    assert_eq!(text.matches("greenhub: ").count(), 1, "{text}");
    assert!(text.contains("GREENHUB_MAX_BLOCKING_TIME") && text.contains("'soon'"));
    assert!(text.contains("the blocking detector is off"), "{text}");
}

#[test]
fn what_the_code_says_counts_more_than_the_environment() {
    let output = in_child(
        "what_the_code_says_counts_more_than_the_environment",
        &[(TIME, "1ms"), (ISOLATE, "1")],
        || {
            let detector = BlockingDetector::new().max_blocking_time(Duration::from_secs(3600));
            let runtime = Runtime::builder().hubs(1).detector(detector).build();
            let runtime = runtime.unwrap();
            runtime.run(|| spin(Duration::from_millis(50)));
            assert!(runtime.metrics().blocking_sites().is_empty());
        },
    );
    assert_eq!(text_of(&output).matches("greenhub: ").count(), 0);
}

/// Ten thousand overdue slices: each is counted, and what is written stays short.
#[test]
fn very_many_reports_do_not_flood_stderr() {
    let output = in_child("very_many_reports_do_not_flood_stderr", &[], || {
        const SLICES: u64 = if cfg!(debug_assertions) { 300 } else { 3_000 };
        let detector = BlockingDetector::new().max_blocking_time(Duration::from_micros(200));
        let runtime = Runtime::builder().hubs(1).detector(detector).build();
        let runtime = runtime.unwrap();
        let handle = runtime.handle();
        runtime.run(|| {
            let counted = || -> u64 {
                let metrics = handle.metrics();
                metrics
                    .blocking_sites()
                    .iter()
                    .map(|site| site.slices)
                    .sum()
            };
            let deadline = Instant::now() + common::LIMIT;
            for slice in 0..SLICES {
                while counted() <= slice {
                    assert!(Instant::now() < deadline, "slice {slice} is not counted");
                    std::hint::spin_loop();
                }
                greenhub::yield_now();
            }
        });
    });
    let text = text_of(&output);
    let reports = text.matches("greenhub: blocked: ").count();
    // The loop can be caught in so many places that each of them counts as another fault: a few dozen.
    assert!((1..=200).contains(&reports), "{reports} reports");
    let closed = text.matches("greenhub: yielded: ").count();
    assert!(closed <= reports, "{closed} ends of {reports} reports");
}

/// A process that does nothing is not woken by the detector.
#[test]
#[cfg(target_os = "linux")]
fn an_idle_process_is_left_alone() {
    let output = in_child("an_idle_process_is_left_alone", &[], || {
        let detector = BlockingDetector::new().max_blocking_time(Duration::from_millis(1));
        // A thread's name is cut after 15 letters.
        let builder = Runtime::builder().hubs(2).thread_name("idle");
        let runtime = builder.detector(detector).build();
        let runtime = runtime.unwrap();
        runtime.run(|| greenhub::sleep(Duration::from_millis(5)));
        let naps = || -> u64 {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let statuses = tasks.map(|task| {
                let path = task.unwrap().path();
                let name = std::fs::read_to_string(path.join("comm")).unwrap();
                if name.trim() != "idle-detector" {
                    return 0;
                }
                let status = std::fs::read_to_string(path.join("status")).unwrap();
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                line.unwrap().trim().parse::<u64>().unwrap()
            });
            statuses.sum()
        };
        // It takes the hubs a while to fall asleep for good. After that no second brings a switch.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let before = naps();
            std::thread::sleep(Duration::from_secs(1));
            // Zero: the thread has yet to begin.
            if before > 0 && naps() == before {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the detector polls an idle process"
            );
        }
        // And it is awake when it is wanted.
        runtime.run(hog_until_counted);
    });
    text_of(&output);
}

/// With reports in progress, calls that the kernel does not restart after a signal are not interrupted.
#[test]
fn calls_of_others_are_not_interrupted() {
    let output = in_child("calls_of_others_are_not_interrupted", &[], || {
        let detector = BlockingDetector::new()
            .max_blocking_time(Duration::from_millis(2))
            .on_report(|_| {});
        let runtime = Runtime::builder().hubs(2).detector(detector).build();
        let runtime = runtime.unwrap();
        let poll = || {
            // SAFETY: no descriptors are asked about.
            let result = unsafe { libc::poll(std::ptr::null_mut(), 0, 20) };
            assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        };
        let thread = std::thread::spawn(move || (0..20).for_each(|_| poll()));
        runtime.run(|| {
            let pollers = (0..2).map(|_| {
                greenhub::spawn(move || {
                    for _ in 0..20 {
                        poll();
                        greenhub::yield_now();
                    }
                })
            });
            let pollers: Vec<_> = pollers.collect();
            let hog = greenhub::spawn(|| {
                for _ in 0..40 {
                    spin(Duration::from_millis(5));
                    greenhub::yield_now();
                }
            });
            for ended in greenhub::join_all(pollers.into_iter().chain([hog])) {
                ended.unwrap();
            }
        });
        thread.join().unwrap();
        let sites = runtime.metrics().blocking_sites().to_vec();
        assert!(sites.iter().any(|site| site.slices > 1), "{sites:?}");
    });
    text_of(&output);
}
