//! However the moments fall: a report never shows one greenlet's name with what another does. On a busy machine anyone may be
//! reported, since their thread may get no processor for a while; so what is checked is that the parts belong together.

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greenhub::detector::{BlockingDetector, BlockingReport, allow_blocking};
use greenhub::net::{TcpListener, TcpStream};
use greenhub::runtime::Runtime;
use greenhub::{Builder, GreenletId};
use support::{KINDS, Kind, Random, Watchdog, times};

const LIMIT: Duration = Duration::from_millis(1);

/// Computes; a function of its own for each kind of culprit.
macro_rules! culprits {
    ($($name:ident),*) => {
        const CULPRITS: &[(&str, fn(Duration))] = &[$((stringify!($name), $name)),*];
        $(
            #[inline(never)]
            fn $name(length: Duration) {
                let begun = Instant::now();
                while begun.elapsed() < length {
                    black_box(stringify!($name));
                }
                // So that the call is not the last thing that is done, and is seen on the stack.
                black_box(length);
            }
        )*
    };
}
culprits!(slow_apple, slow_pear, slow_plum, slow_cherry);

#[test]
#[cfg(target_os = "linux")]
fn runtimes_with_detectors_leave_nothing_behind() {
    let _watchdog = Watchdog::start();
    let name = "runtimes_with_detectors_leave_nothing_behind";
    let outcome = support::child::run(name, || {
        let live = |overdue: bool| {
            let detector = BlockingDetector::new()
                .max_blocking_time(LIMIT)
                .on_report(|_| {});
            let runtime = Runtime::builder().hubs(2).detector(detector).build();
            let runtime = runtime.unwrap();
            let handle = runtime.handle();
            runtime.run(move || {
                while overdue && handle.metrics().blocking_sites().is_empty() {
                    std::hint::spin_loop();
                }
            });
        };
        (0..3).for_each(|_| live(true));
        let before = support::process::possessions();
        for round in 0..times(500, 100) {
            live(round % 50 == 0);
        }
        let mut after = before;
        let settled = support::process::settles(|| {
            after = support::process::possessions();
            (after.fds, after.threads) == (before.fds, before.threads)
                && after.mappings <= before.mappings + 30
        });
        assert!(settled, "{before:?} has become {after:?}");
    });
    outcome.assert_success();
}

/// What was spawned: by number, its name and place.
type Born = Arc<Mutex<HashMap<GreenletId, (String, &'static Location<'static>)>>>;

/// Broken on purpose to see it fail: the watchdog asked who runs on the hub after it had copied the stack, not for the slice
/// that it had found overdue.
#[test]
fn no_report_pairs_one_greenlet_with_what_another_does() {
    let _watchdog = Watchdog::start();
    for hubs in [1, 2] {
        let reports: Arc<Mutex<Vec<BlockingReport>>> = Arc::default();
        let told = Arc::clone(&reports);
        let detector = BlockingDetector::new()
            .max_blocking_time(LIMIT)
            .on_report(move |report| told.lock().unwrap().push(report.clone()));
        let runtime = Runtime::builder().hubs(hubs).detector(detector).build();
        let runtime = runtime.unwrap();
        let born = Born::default();
        runtime.run(|| live_and_die(&born));
        let slices: u64 = {
            let metrics = runtime.metrics();
            metrics
                .blocking_sites()
                .iter()
                .map(|site| site.slices)
                .sum()
        };
        assert!(slices > 0, "some are longer than is allowed");
        drop(runtime);
        let born = born.lock().unwrap();
        let reports = reports.lock().unwrap();
        assert!(!reports.is_empty());
        for report in &*reports {
            check(report, &born);
        }
    }
}

/// One culprit after the other, each of a length around the limit, in memory that the one before has just given back.
fn live_and_die(born: &Born) {
    let mut random = Random::new(5);
    for round in 0..times(700, 150) {
        let (name, culprit) = CULPRITS[random.below(CULPRITS.len() as u64) as usize];
        let length = LIMIT * (random.below(30) as u32 + 1) / 10;
        let kind = KINDS[round % 2];
        let births = Arc::clone(born);
        let body = move || {
            let own = greenhub::current();
            let name = own.name().unwrap_or_default().to_owned();
            let birth = (name, own.spawned_at());
            births.lock().unwrap().insert(own.id(), birth);
            culprit(length);
        };
        if round % 5 == 0 {
            // A local one has no name; its place tells it apart.
            greenhub::spawn_local(body).join().unwrap();
            continue;
        }
        let builder: Builder = kind.builder().name(name.to_owned());
        builder.spawn(body).unwrap().join().unwrap();
    }
}

fn check(
    report: &BlockingReport,
    born: &HashMap<GreenletId, (String, &'static Location<'static>)>,
) {
    let Some((name, place)) = born.get(&report.greenlet()) else {
        // The main greenlet, or one that was held up before it could say that it was there.
        return;
    };
    assert_eq!(report.name().unwrap_or_default(), name, "{report}");
    assert_eq!(report.spawned_at(), *place, "{report}");
    assert!(report.elapsed() >= LIMIT, "{report}");
    let functions = report.stack().iter().map(|frame| &frame.function);
    let slow: Vec<_> = functions
        .filter_map(|function| function.split("::").find(|part| part.starts_with("slow_")))
        .collect();
    if !name.is_empty() {
        assert!(slow.iter().all(|function| function == name), "{report}");
    }
}

/// What is below the limit, by far enough that a busy machine does not make it more: each slice may take a tenth of it.
mod loads {
    use super::*;

    pub(super) const LIMIT: Duration = Duration::from_secs(1);

    /// How long each of them goes on.
    pub(super) const LENGTH: Duration = Duration::from_secs(2);

    pub(super) const ALL: [fn(Kind, Instant); 6] =
        [computes, sleeps, sends, spawns, blocks, connects];

    fn compute(length: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < length {
            std::hint::spin_loop();
        }
    }

    fn computes(_: Kind, end: Instant) {
        let mut random = Random::new(1);
        while Instant::now() < end {
            let longest = if random.below(20) == 0 { 100_000 } else { 500 };
            compute(Duration::from_micros(random.below(longest)));
            greenhub::yield_now();
        }
    }

    fn sleeps(_: Kind, end: Instant) {
        let mut random = Random::new(2);
        while Instant::now() < end {
            greenhub::sleep(Duration::from_micros(random.below(3_000)));
        }
        // A greenlet that waits for longer than a slice may take is nobody's trouble.
        greenhub::sleep(LIMIT * 2);
    }

    fn sends(kind: Kind, end: Instant) {
        let (sender, receiver) = greenhub::channel::bounded(3);
        let sending = kind.spawn(move || {
            while Instant::now() < end {
                sender.send(17).unwrap();
            }
        });
        assert!(receiver.iter().all(|received| received == 17));
        sending.join().unwrap();
    }

    fn spawns(kind: Kind, end: Instant) {
        while Instant::now() < end {
            let all: Vec<_> = (0..10).map(|_| kind.spawn(greenhub::yield_now)).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        }
    }

    /// For too long, but as it is meant to be done.
    fn blocks(_: Kind, _: Instant) {
        greenhub::offload(|| std::thread::sleep(LIMIT * 2));
        greenhub::spawn_compute(|| compute(LIMIT * 3 / 2))
            .join()
            .unwrap();
        allow_blocking("a test", || std::thread::sleep(LIMIT * 3 / 2));
    }

    fn connects(kind: Kind, end: Instant) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = kind.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            while Instant::now() < end {
                stream.write_all(b"ping").unwrap();
                stream.read_exact(&mut [0; 4]).unwrap();
            }
        });
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes).unwrap();
        }
        client.join().unwrap();
    }
}

/// With `GREENHUB_STRESS=15` for half a minute with each kind of greenlet. Broken on purpose: a watchdog that takes a look at
/// a hub for a look at one slice, whatever its number.
#[test]
fn a_mixed_load_of_slices_below_the_limit_is_not_worth_a_word() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let reports: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&reports);
        let detector = BlockingDetector::new()
            .max_blocking_time(loads::LIMIT)
            .on_report(move |report| told.lock().unwrap().push(report.to_string()));
        let runtime = Runtime::builder().hubs(2).detector(detector).build();
        let runtime = runtime.unwrap();
        let length = loads::LENGTH * times(1, 1) as u32;
        runtime.run(move || {
            let end = Instant::now() + length;
            let all = loads::ALL.map(|load| kind.spawn(move || load(kind, end)));
            for load in all {
                load.join().unwrap();
            }
        });
        assert!(runtime.metrics().blocking_sites().is_empty());
        drop(runtime);
        assert_eq!(*reports.lock().unwrap(), [""; 0]);
    }
}
