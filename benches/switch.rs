//! What it costs to give way to another greenlet: `cargo bench --bench switch`.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use support::{Kind, add, in_every_setting, timed};

fn yield_now(criterion: &mut Criterion) {
    in_every_setting(criterion, "yield_now", |group, setting| {
        for greenlets in [1, 2, 100] {
            group.throughput(Throughput::Elements(greenlets));
            let name = format!("by each of {greenlets}");
            add(group, setting, &name, move |kind, iterations| {
                yields(kind, greenlets, iterations)
            });
        }
    });
}

/// So many greenlets yield side by side, each once an iteration.
fn yields(kind: Kind, greenlets: u64, iterations: u64) -> Duration {
    timed(1, || {
        let looping = move || (0..iterations).for_each(|_| greenhub::yield_now());
        let handles: Vec<_> = (0..greenlets).map(|_| kind.spawn(looping)).collect();
        for handle in handles {
            handle.join().expect("it does not panic");
        }
    })
}

fn park(criterion: &mut Criterion) {
    in_every_setting(criterion, "park", |group, setting| {
        add(group, setting, "unparked before", |_, iterations| {
            let own = greenhub::current();
            timed(iterations, || {
                own.unpark();
                greenhub::park();
            })
        });
        add(group, setting, "ping-pong round trip", ping_pong);
    });
}

/// Two greenlets unpark each other in turn. On one hub, that is two switches through it; on two hubs they may also
/// have come to live apart. The number of unparks tells a spurious one apart.
fn ping_pong(kind: Kind, trips: u64) -> Duration {
    let unparks = Arc::new(AtomicU64::new(0));
    let pong = kind.spawn({
        let (unparks, ping) = (Arc::clone(&unparks), greenhub::current());
        move || {
            for trip in 0..trips {
                park_until(&unparks, 2 * trip + 1);
                unparks.store(2 * trip + 2, Ordering::Release);
                ping.unpark();
            }
        }
    });
    let mut trip = 0;
    let elapsed = timed(trips, || {
        unparks.store(2 * trip + 1, Ordering::Release);
        pong.greenlet().unpark();
        park_until(&unparks, 2 * trip + 2);
        trip += 1;
    });
    pong.join().expect("it does not panic");
    elapsed
}

fn park_until(unparks: &AtomicU64, wanted: u64) {
    while unparks.load(Ordering::Acquire) != wanted {
        greenhub::park();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    yield_now(&mut criterion);
    park(&mut criterion);
    criterion.final_summary();
}
