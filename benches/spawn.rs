//! What it costs to spawn greenlets and to join them: `cargo bench --bench spawn`.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput};
use support::{add, in_every_setting, timed};

/// Greenlets that are alive at once in the benchmarks with many.
const MANY: u64 = 1_000;

fn spawn(criterion: &mut Criterion) {
    in_every_setting(criterion, "spawn", |group, setting| {
        group.throughput(Throughput::Elements(1));
        add(group, setting, "one and join", |kind, iterations| {
            timed(iterations, || {
                kind.spawn(|| ()).join().expect("it does not panic");
            })
        });
        add(
            group,
            setting,
            "one with a name and join",
            |_, iterations| {
                timed(iterations, || {
                    let builder = greenhub::Builder::new().name("benchmark".to_owned());
                    let handle = builder.spawn(|| ()).expect("there is room for one");
                    handle.join().expect("it does not panic");
                })
            },
        );

        group.throughput(Throughput::Elements(MANY));
        add(group, setting, "1000, then join all", |kind, iterations| {
            timed(iterations, || {
                let handles: Vec<_> = (0..MANY).map(|_| kind.spawn(|| ())).collect();
                for handle in handles {
                    handle.join().expect("it does not panic");
                }
            })
        });
        add(group, setting, "1000 in a scope", |_, iterations| {
            let ran = AtomicU64::new(0);
            let elapsed = timed(iterations, || {
                greenhub::scope(|scope| {
                    for _ in 0..MANY {
                        scope.spawn(|| ran.fetch_add(1, Ordering::Relaxed));
                    }
                });
            });
            assert_eq!(ran.into_inner(), iterations * MANY);
            elapsed
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    spawn(&mut criterion);
    criterion.final_summary();
}
