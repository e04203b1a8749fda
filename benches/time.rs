//! What timers cost: `cargo bench --bench time`.

mod support;

use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use greenhub::channel::unbounded;
use support::{Kind, add, in_every_setting, timed};

/// A time limit that is never reached.
const LONG: Duration = Duration::from_secs(600);

/// Others that sleep meanwhile, so that the timers are not empty.
const SLEEPERS: usize = 10_000;

fn time(criterion: &mut Criterion) {
    in_every_setting(criterion, "time", |group, setting| {
        group.throughput(Throughput::Elements(1));
        for (sleepers, beside) in [(0, ""), (SLEEPERS, " beside 10,000 sleepers")] {
            // Made by the first who needs them; they end with the setting's runtime.
            let asleep = Arc::new(OnceLock::new());
            let sleep = move |kind| *asleep.get_or_init(|| fall_asleep(kind, sleepers));
            let others = sleep.clone();
            add(
                group,
                setting,
                &format!("timeout that does not wait{beside}"),
                move |kind, iterations| {
                    others(kind);
                    timed(iterations, || {
                        let ended = greenhub::timeout(LONG, || black_box(1));
                        assert_eq!(ended, Ok(1));
                    })
                },
            );
            let others = sleep.clone();
            add(
                group,
                setting,
                &format!("park and unpark{beside}"),
                move |kind, iterations| {
                    others(kind);
                    round_trips(kind, iterations, greenhub::park)
                },
            );
            let others = sleep.clone();
            add(
                group,
                setting,
                &format!("park and unpark, within a timeout each{beside}"),
                move |kind, iterations| {
                    others(kind);
                    round_trips(kind, iterations, || {
                        greenhub::timeout(LONG, greenhub::park).expect("it is unparked");
                    })
                },
            );
            let others = sleep.clone();
            add(
                group,
                setting,
                &format!("park_timeout and unpark{beside}"),
                move |kind, iterations| {
                    others(kind);
                    round_trips(kind, iterations, || greenhub::park_timeout(LONG))
                },
            );
            let others = sleep.clone();
            add(
                group,
                setting,
                &format!("recv_timeout of an empty channel{beside}"),
                move |kind, iterations| {
                    others(kind);
                    let (request, requests) = unbounded::<()>();
                    let (answer, answers) = unbounded();
                    let server = kind.spawn(move || {
                        for () in requests {
                            if answer.send(()).is_err() {
                                break;
                            }
                        }
                    });
                    let elapsed = timed(iterations, || {
                        request.send(()).expect("somebody receives");
                        answers.recv_timeout(LONG).expect("somebody answers");
                    });
                    drop(request);
                    server.join().expect("it ends by returning");
                    elapsed
                },
            );
        }
    });
}

/// The main greenlet unparks a partner that parks by `park`, and waits for its answer in the same way.
fn round_trips(kind: Kind, iterations: u64, park: fn()) -> Duration {
    let main = greenhub::current();
    let partner = kind.spawn(move || {
        for _ in 0..iterations {
            park();
            main.unpark();
        }
    });
    let greenlet = partner.greenlet().clone();
    let elapsed = timed(iterations, || {
        greenlet.unpark();
        park();
    });
    partner.join().expect("it ends by returning");
    elapsed
}

/// So many greenlets that sleep.
fn fall_asleep(kind: Kind, count: usize) {
    for n in 0..count {
        // In no order.
        let until = LONG + Duration::from_millis((n * 7_919 % SLEEPERS) as u64);
        let sleeper = kind.spawn(move || greenhub::sleep(until));
        while !format!("{:?}", sleeper.greenlet()).contains("Parked(") {
            greenhub::yield_now();
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    time(&mut criterion);
    criterion.final_summary();
}
