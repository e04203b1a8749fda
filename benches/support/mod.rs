//! What the benchmarks share: each runs for both kinds of greenlet, on one hub and on two, from inside a greenlet.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use greenhub::JoinHandle;
use greenhub::runtime::Runtime;

/// The kind of greenlet that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Settled,
    Migrating,
}

impl Kind {
    /// Spawns a greenlet of this kind.
    pub(crate) fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Kind::Settled => greenhub::spawn(f),
            // SAFETY: the benchmarks keep nothing thread-bound and use no thread-local across a suspension.
            Kind::Migrating => unsafe { greenhub::spawn_migrating(f) },
        }
    }
}

/// A runtime, and the kind of greenlet that is measured on it.
pub(crate) struct Setting {
    runtime: Runtime,
    kind: Kind,
}

/// Runs `benchmarks` for every setting, each in a group of its own.
pub(crate) fn in_every_setting(
    criterion: &mut Criterion,
    name: &str,
    benchmarks: impl Fn(&mut BenchmarkGroup<'_, WallTime>, &Setting),
) {
    for hubs in [1, 2] {
        for kind in [Kind::Settled, Kind::Migrating] {
            let runtime = Runtime::builder().hubs(hubs).build();
            let setting = Setting {
                runtime: runtime.expect("the runtime starts"),
                kind,
            };
            let group = format!("{name}, {kind:?}, hubs: {hubs}").to_lowercase();
            let mut group = criterion.benchmark_group(group);
            benchmarks(&mut group, &setting);
            group.finish();
        }
    }
}

/// Adds a benchmark: `body` makes so many iterations and tells how long they took.
pub(crate) fn add<F>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    setting: &Setting,
    name: &str,
    body: F,
) where
    F: FnOnce(Kind, u64) -> Duration + Clone + Send + 'static,
{
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let (kind, body) = (setting.kind, body.clone());
            // The main greenlet only waits: `body` runs in one of the kind that is measured.
            let measured = move || kind.spawn(move || body(kind, iterations)).join();
            setting
                .runtime
                .run(measured)
                .expect("the body does not panic")
        });
    });
}

/// How long so many iterations take.
pub(crate) fn timed(iterations: u64, mut iteration: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        iteration();
    }
    start.elapsed()
}
