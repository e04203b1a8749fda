//! With the feature `tracing`, a report is an event, and so is the end of the slice: with the same in their fields as the
//! report says.

mod common;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{Kind, Watchdog};
use greenhub::detector::{BlockingDetector, BlockingReport};
use greenhub::runtime::Runtime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was told, by field; the event's own text is called `message`.
type Told = HashMap<&'static str, String>;

static EVENTS: Mutex<Vec<(Level, Told)>> = Mutex::new(Vec::new());

/// Keeps the detector's events.
struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "greenhub::detector"
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Told::new());
        event.record(&mut fields);
        let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((*event.metadata().level(), fields.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        unreachable!("the detector has no spans");
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(Told);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Computes in one slice until it has been reported.
fn compute_until(reported: &AtomicBool) {
    let deadline = Instant::now() + common::LIMIT;
    while !reported.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "waited in vain: it is reported");
        std::hint::spin_loop();
    }
}

fn millis(duration: Duration) -> String {
    format!("{:?}", duration.as_secs_f64() * 1e3)
}

/// What an event has to say of `report`.
fn fields_of(report: &BlockingReport) -> Told {
    let stack: Vec<_> = report.stack().iter().map(ToString::to_string).collect();
    let mut fields = Told::from([
        ("message", "a greenlet blocks its hub".to_owned()),
        ("greenlet", report.greenlet().as_u64().to_string()),
        ("spawned_at", report.spawned_at().to_string()),
        ("hub", report.hub().to_string()),
        ("elapsed_ms", millis(report.elapsed())),
        ("cause", report.cause().to_string()),
        ("stranded", report.stranded().to_string()),
        ("longest_wait_ms", millis(report.longest_wait())),
        ("repeats", report.repeats().to_string()),
        ("isolated", report.is_isolated().to_string()),
        ("stack", stack.join(", ")),
    ]);
    if let Some(name) = report.name() {
        fields.insert("name", name.to_owned());
    }
    fields
}

/// Broken on purpose: an event that tells the longest wait as the time elapsed.
#[test]
fn a_report_and_the_end_of_its_slice_are_events() {
    let _watchdog = Watchdog::new();
    tracing::subscriber::set_global_default(Recorder).expect("nobody else listens");
    for kind in Kind::BOTH {
        EVENTS.lock().unwrap().clear();
        let (reports, received) = mpsc::channel();
        let reported = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&reported);
        let detector = BlockingDetector::new()
            .max_blocking_time(Duration::from_millis(10))
            .on_report(move |report| {
                reported.fetch_or(report.name() == Some("hog"), Ordering::Relaxed);
                drop(reports.send(report.clone()));
            });
        let runtime = Runtime::builder().hubs(1).detector(detector).build();
        let runtime = runtime.unwrap();
        let hog = runtime.run(move || {
            let hog = kind.builder().name("hog".to_owned());
            let hog = hog.spawn(move || compute_until(&ends)).unwrap();
            let id = hog.greenlet().id();
            hog.join().unwrap();
            id
        });
        // Everything has been told when the runtime has ended.
        drop(runtime);
        let report = received
            .iter()
            .find(|report| report.greenlet() == hog)
            .expect("a report");
        let events = EVENTS.lock().unwrap();
        let number = hog.as_u64().to_string();
        let of_hog: Vec<_> = events
            .iter()
            .filter(|(_, fields)| fields["greenlet"] == number)
            .collect();
        let [(level, blocked), (later_level, yielded)] = of_hog[..] else {
            panic!("{kind:?}: {events:?}");
        };
        assert_eq!((*level, *later_level), (Level::WARN, Level::WARN));
        assert_eq!(*blocked, fields_of(&report));
        assert_eq!(
            yielded["message"],
            "a greenlet that blocked its hub has yielded"
        );
        for same in ["name", "spawned_at", "hub"] {
            assert_eq!(yielded.get(same), blocked.get(same), "{same}");
        }
        let elapsed = |fields: &Told| fields["elapsed_ms"].parse::<f64>().unwrap();
        assert!(elapsed(yielded) >= elapsed(blocked), "{events:?}");
    }
}
