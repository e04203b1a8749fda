//! The blocking detector: whom it reports, whom it does not, and what becomes of a report.

mod common;
#[path = "support/watched.rs"]
mod watched;

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Gate, Kind, Watchdog, panic_of};
use greenhub::GreenletId;
use greenhub::detector::{BlockingDetector, BlockingReport, Cause, allow_blocking};
use greenhub::runtime::{Handle, Runtime};
use watched::watched as watched_as;

/// Short, so that the tests are. They wait for the report, however late it comes.
const LIMIT: Duration = Duration::from_millis(10);

/// So long that nothing is overdue on the busiest of machines.
const NEVER: Duration = Duration::from_secs(3600);

/// A runtime whose reports can be received.
fn watched(hubs: usize) -> (Runtime, Receiver<BlockingReport>) {
    watched_as(hubs, BlockingDetector::new().max_blocking_time(LIMIT))
}

/// The next report, for which the test's own thread waits.
#[track_caller]
fn next(reports: &Receiver<BlockingReport>) -> BlockingReport {
    reports
        .recv_timeout(Duration::from_secs(40))
        .expect("a report comes")
}

/// The next report of that greenlet. On a busy machine others may be reported, too, and rightly: their thread got no processor.
#[track_caller]
fn next_of(greenlet: GreenletId, reports: &Receiver<BlockingReport>) -> BlockingReport {
    loop {
        let report = next(reports);
        if report.greenlet() == greenlet {
            return report;
        }
    }
}

/// How many slices were overdue so far.
fn overdue(handle: &Handle) -> u64 {
    let metrics = handle.metrics();
    metrics
        .blocking_sites()
        .iter()
        .map(|site| site.slices)
        .sum()
}

/// Computes until another slice than those is overdue.
#[track_caller]
fn compute_until_overdue(handle: &Handle, before: u64) {
    let deadline = Instant::now() + common::LIMIT;
    while overdue(handle) <= before {
        assert!(Instant::now() < deadline, "waited in vain: it is counted");
        std::hint::spin_loop();
    }
}

/// Computes until the gate opens, without a break.
fn compute_until_open(gate: &Gate) {
    let deadline = Instant::now() + common::LIMIT;
    while !gate.is_open() {
        assert!(Instant::now() < deadline, "waited in vain: the gate opens");
        std::hint::spin_loop();
    }
}

#[test]
fn a_greenlet_that_computes_is_reported_by_name_and_place() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let (runtime, reports) = watched(1);
        let gate = Gate::new();
        let hog = {
            let gate = gate.clone();
            let builder = kind.builder().name(String::from("hog"));
            runtime.run(|| builder.spawn(move || compute_until_open(&gate)).unwrap())
        };
        let report = next_of(hog.greenlet().id(), &reports);
        assert_eq!(report.name(), Some("hog"), "{kind:?}");
        assert_eq!(report.spawned_at(), hog.greenlet().spawned_at());
        assert_eq!((report.hub(), report.repeats()), (0, 0));
        assert!(report.elapsed() >= LIMIT);
        gate.open();
        hog.join().unwrap();
    }
}

#[test]
fn a_local_greenlet_and_the_main_one_are_reported_too() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched(1);
    let gate = Gate::new();
    std::thread::scope(|scope| {
        let main = scope.spawn(|| {
            runtime.run(|| {
                let main = greenhub::current().id();
                compute_until_open(&gate);
                let (gate, own) = (Gate::new(), gate.clone());
                let local = greenhub::spawn_local({
                    let gate = gate.clone();
                    move || {
                        drop(own);
                        compute_until_open(&gate);
                    }
                });
                (main, local.greenlet().clone(), gate)
            })
        });
        let first = next(&reports);
        gate.open();
        let (main, local, gate) = main.join().unwrap();
        assert_eq!(first.greenlet(), main);
        // The local greenlet begins when the main one has ended.
        let second = next_of(local.id(), &reports);
        assert_eq!(second.spawned_at(), local.spawned_at());
        gate.open();
    });
}

/// Three greenlets that have yielded, one that the culprit has woken, and one that was woken from outside.
#[test]
fn whoever_is_ready_behind_it_is_counted() {
    let _watchdog = Watchdog::new();
    // A machine that takes its time may have the culprit reported before everybody is ready.
    let limits = [50, 200, 1000].map(Duration::from_millis);
    let seen = limits.map(|limit| {
        let seen = stranded_behind_a_culprit(limit);
        (seen == 5).then_some(())
    });
    assert!(seen.contains(&Some(())), "five were ready behind it");
}

fn stranded_behind_a_culprit(limit: Duration) -> usize {
    let (runtime, reports) = watched_as(1, BlockingDetector::new().max_blocking_time(limit));
    let (gate, begun) = (Gate::new(), Gate::new());
    let (sleepers, sleeper) = mpsc::channel();
    std::thread::scope(|scope| {
        let (runtime, gate, begun) = (&runtime, &gate, &begun);
        let main = scope.spawn(move || {
            runtime.run(move || {
                let yielders = (0..3).map(|_| {
                    let gate = gate.clone();
                    greenhub::spawn(move || gate.pass())
                });
                let mut others: Vec<_> = yielders.collect();
                for _ in 0..2 {
                    let sleeper = greenhub::spawn(greenhub::park);
                    common::until_parked(sleeper.greenlet());
                    sleepers.send(sleeper.greenlet().clone()).unwrap();
                    others.push(sleeper);
                }
                greenhub::yield_now();
                others[3].greenlet().unpark();
                begun.open();
                compute_until_open(gate);
                greenhub::join_all(others);
            });
        });
        begun.pass_blocking();
        sleeper.iter().nth(1).unwrap().unpark();
        let report = next(&reports);
        assert!(report.longest_wait() <= report.elapsed());
        gate.open();
        main.join().unwrap();
        report.stranded()
    })
}

#[test]
fn who_sleeps_behind_it_though_its_time_has_come_is_counted() {
    let _watchdog = Watchdog::new();
    let limit = Duration::from_millis(50);
    let (runtime, reports) = watched_as(1, BlockingDetector::new().max_blocking_time(limit));
    runtime.run(move || {
        let begun = Instant::now();
        let sleep = || greenhub::sleep(Duration::from_millis(20));
        let sleepers: Vec<_> = (0..2).map(|_| greenhub::spawn(sleep)).collect();
        for sleeper in &sleepers {
            common::until_parked_in(sleeper.greenlet(), "sleep");
        }
        let report = next_of(greenhub::current().id(), &reports);
        // On a machine that took its time over this, they had woken before.
        assert!(report.stranded() <= 2, "{report}");
        if report.stranded() == 2 {
            // Longer than the slice, if nobody got a processor for a while: that is not counted against the slice.
            assert!(report.longest_wait() <= begun.elapsed(), "{report}");
            assert!(report.longest_wait() > Duration::ZERO, "{report}");
        }
        greenhub::join_all(sleepers);
    });
}

#[test]
fn one_slice_is_reported_once_and_the_next_one_again() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched(1);
    runtime.run(move || {
        let first = next(&reports);
        assert_eq!(first.repeats(), 0);
        // The same slice goes on for much longer than the limit.
        let begun = Instant::now();
        while begun.elapsed() < LIMIT * 5 {
            std::hint::spin_loop();
        }
        assert!(reports.try_recv().is_err());
        greenhub::yield_now();
        assert_ne!(next(&reports).elapsed(), Duration::ZERO);
    });
}

#[test]
fn what_is_below_the_limit_is_not_reported() {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2] {
        let (runtime, reports) = watched_as(hubs, BlockingDetector::new().max_blocking_time(NEVER));
        runtime.run(|| {
            let handles = (0..200).map(|i| {
                greenhub::spawn(move || {
                    greenhub::sleep(Duration::from_micros(i * 10));
                    greenhub::yield_now();
                })
            });
            greenhub::join_all(handles.collect::<Vec<_>>());
        });
        assert!(runtime.metrics().blocking_sites().is_empty());
        drop(runtime);
        assert!(reports.recv().is_err(), "nothing was to be reported");
    }
}

#[test]
fn what_is_allowed_to_block_is_not_reported_until_it_is_not() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched(1);
    let (runtime, reports) = (runtime, Arc::new(Mutex::new(reports)));
    let received = Arc::clone(&reports);
    runtime.run(move || {
        let reports = received.lock().unwrap();
        let spin = |length| {
            let begun = Instant::now();
            while begun.elapsed() < length {
                std::hint::spin_loop();
            }
        };
        allow_blocking("the test wants it", || {
            spin(LIMIT * 5);
            allow_blocking("and so does this", || spin(LIMIT * 2));
            spin(LIMIT * 5);
            // Another slice of the same greenlet.
            greenhub::yield_now();
            spin(LIMIT * 5);
        });
        assert!(reports.try_recv().is_err());
        // And now it is one like any other.
        let report = next(&reports);
        assert_eq!(report.greenlet(), greenhub::current().id());
    });
    // On an OS thread it is nothing.
    assert_eq!(allow_blocking("whatever", || 7), 7);
    drop(reports);
}

#[test]
fn an_allowance_ends_with_a_panic() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched(1);
    runtime.run(move || {
        let panic = panic_of(|| allow_blocking("until it panics", || panic!("it does")));
        assert_eq!(panic, "it does");
        let _ = next(&reports);
    });
}

#[test]
fn repeats_are_counted_and_told_of_ever_more_rarely() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched_as(1, BlockingDetector::new().max_blocking_time(LIMIT / 5));
    let handle = runtime.handle();
    runtime.run(move || {
        for slice in 0..20 {
            compute_until_overdue(&handle, slice);
            greenhub::yield_now();
        }
    });
    let sites = runtime.metrics().blocking_sites().to_vec();
    drop(runtime);
    let repeats: Vec<_> = reports.iter().map(|report| report.repeats()).collect();
    let [site] = sites[..] else {
        panic!("one place: {sites:?}");
    };
    assert_eq!((site.slices, site.isolated), (20, false));
    assert!(site.spawned_at.file().ends_with("detector.rs"));
    assert!(site.longest >= LIMIT / 5 && site.total >= site.longest);
    // Where stacks are to be had the same loop is found in several places, each of them told of for itself.
    assert!(repeats.contains(&0) && repeats.len() <= 20, "{repeats:?}");
}

#[test]
fn a_panicking_hook_hurts_nobody() {
    let _watchdog = Watchdog::new();
    let (reports, received) = mpsc::channel();
    let detector = BlockingDetector::new()
        .max_blocking_time(LIMIT)
        .on_report(move |report| {
            let _ = reports.send(report.greenlet());
            panic!("this hook always panics");
        });
    let runtime = Runtime::builder()
        .hubs(1)
        .detector(detector)
        .build()
        .unwrap();
    runtime.run(move || {
        let patience = Duration::from_secs(40);
        for _ in 0..2 {
            // Another fault each time: where it is told apart by its greenlet's place.
            let received = received.recv_timeout(patience);
            assert_eq!(received, Ok(greenhub::current().id()));
            greenhub::yield_now();
        }
    });
}

#[test]
fn a_hook_that_takes_its_time_holds_nobody_up() {
    let _watchdog = Watchdog::new();
    let (open, opened) = mpsc::channel::<()>();
    let (reports, received) = mpsc::channel();
    let opened = Mutex::new(opened);
    let detector = BlockingDetector::new()
        .max_blocking_time(LIMIT)
        .on_report(move |_| {
            let _ = reports.send(());
            let _ = opened.lock().unwrap().recv();
        });
    let runtime = Runtime::builder()
        .hubs(1)
        .detector(detector)
        .build()
        .unwrap();
    let handle = runtime.handle();
    runtime.run(move || {
        received.recv_timeout(Duration::from_secs(40)).unwrap();
        // The hook is at work; the watchdog goes on.
        let before = overdue(&handle);
        greenhub::yield_now();
        compute_until_overdue(&handle, before);
    });
    // Its end waits a little, and then leaves the hook alone.
    drop(runtime);
    drop(open);
}

#[test]
fn a_run_that_denies_blocking_panics_at_its_end_with_the_report() {
    let _watchdog = Watchdog::new();
    let detector = BlockingDetector::new().max_blocking_time(LIMIT).deny();
    let (runtime, reports) = watched_as(2, detector);
    let panic = panic_of(|| {
        runtime.run(move || {
            let name = String::from("culprit");
            let culprit = greenhub::Builder::new()
                .name(name)
                .spawn(move || next(&reports));
            culprit.unwrap().join().unwrap();
        });
    });
    assert!(
        panic.contains("greenhub: blocked: greenlet 'culprit'"),
        "{panic}"
    );
    // It was told of; the next run is another matter.
    assert_eq!(runtime.run(|| 7), 7);
}

#[test]
fn spawn_sites_that_hogged_a_hub_go_to_the_compute_lane() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let detector = BlockingDetector::new().max_blocking_time(LIMIT).isolate();
        let (runtime, reports) = watched_as(1, detector);
        let spawn = |gate: &Gate| {
            let gate = gate.clone();
            runtime.run(|| {
                kind.spawn(move || {
                    compute_until_open(&gate);
                    std::thread::current().name().map(String::from)
                })
            })
        };
        let gate = Gate::new();
        let first = spawn(&gate);
        let report = next_of(first.greenlet().id(), &reports);
        assert!(report.is_isolated() && report.to_string().contains("isolated"));
        gate.open();
        assert_eq!(first.join().unwrap().as_deref(), Some("greenhub-0"));
        let second = spawn(&gate).join().unwrap();
        assert_eq!(second.as_deref(), Some("greenhub-compute-0"));
        let sites = runtime.metrics().blocking_sites().to_vec();
        assert!(sites.iter().all(|site| site.isolated), "{sites:?}");
        // What is meant to compute is not watched, and other places are where they were.
        let other = runtime.spawn(|| std::thread::current().name().map(String::from));
        assert_eq!(other.join().unwrap().as_deref(), Some("greenhub-0"));
    }
}

#[test]
fn a_culprit_in_the_shutdown_is_reported() {
    let _watchdog = Watchdog::new();
    let (runtime, reports) = watched(1);
    let gate = Gate::new();
    let parked = runtime.run({
        let gate = gate.clone();
        || {
            let handle = greenhub::spawn(move || {
                let _slow = common::OnDrop(move || compute_until_open(&gate));
                greenhub::park();
            });
            common::until_parked(handle.greenlet());
            handle
        }
    });
    let end = std::thread::spawn(move || drop(runtime));
    let _ = next_of(parked.greenlet().id(), &reports);
    gate.open();
    end.join().unwrap();
}

#[test]
fn runtimes_have_detectors_of_their_own() {
    let _watchdog = Watchdog::new();
    let worlds: Vec<_> = (0..3).map(|_| watched(1)).collect();
    std::thread::scope(|scope| {
        for (runtime, reports) in worlds {
            scope.spawn(move || {
                runtime.run(move || {
                    for _ in 0..2 {
                        let report = next(&reports);
                        assert_eq!(report.greenlet(), greenhub::current().id());
                        greenhub::yield_now();
                    }
                });
            });
        }
    });
}

#[test]
fn an_idle_runtime_is_watched_again_when_it_wakes() {
    let _watchdog = Watchdog::new();
    let (runtime, _reports) = watched(2);
    for _ in 0..3 {
        // Long enough for hubs and watchdog to fall asleep, most times; if not, this tests less.
        std::thread::sleep(LIMIT * 30);
        let handle = runtime.handle();
        let before = overdue(&handle);
        let hog = runtime.spawn(move || compute_until_overdue(&handle, before));
        hog.join().unwrap();
    }
}

#[test]
fn the_cause_has_advice() {
    let text = |cause: Cause| format!("{cause}");
    assert_eq!(text(Cause::Cpu), "it computes");
    let read = Cause::Syscall {
        number: 0,
        name: "read",
    };
    assert_eq!(text(read), "it is in the system call read");
}
