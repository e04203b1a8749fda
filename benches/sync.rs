//! What locks cost: `cargo bench --bench sync`. Beside those of others: `cargo run --release -p greenhub-peers`.

mod support;

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use greenhub::sync::{Condvar, Mutex, RwLock, Semaphore};
use support::{Kind, add, in_every_setting, timed};

/// Greenlets that want the same lock.
const CONTENDERS: u64 = 8;

fn uncontended(criterion: &mut Criterion) {
    in_every_setting(criterion, "a lock that is free", |group, setting| {
        add(group, setting, "mutex", |_, iterations| {
            let counter = Mutex::new(0_u64);
            let elapsed = timed(iterations, || *counter.lock() += 1);
            assert_eq!(counter.into_inner(), iterations);
            elapsed
        });
        add(group, setting, "rwlock, read", |_, iterations| {
            let number = RwLock::new(1_u64);
            let mut sum = 0;
            let elapsed = timed(iterations, || sum += *number.read());
            assert_eq!(sum, iterations);
            elapsed
        });
        add(group, setting, "semaphore", |_, iterations| {
            let semaphore = Semaphore::new(1);
            timed(iterations, || drop(semaphore.acquire()))
        });
    });
}

fn contended(criterion: &mut Criterion) {
    in_every_setting(criterion, "8 want a lock", |group, setting| {
        group.throughput(Throughput::Elements(CONTENDERS));
        add(group, setting, "mutex", |kind, rounds| {
            let counter = Arc::new(Mutex::new(0_u64));
            let elapsed = contend(kind, &counter, rounds, |counter| *counter.lock() += 1);
            assert_eq!(*counter.lock(), CONTENDERS * rounds);
            elapsed
        });
        add(
            group,
            setting,
            "mutex, held across a yield",
            |kind, rounds| {
                let counter = Arc::new(Mutex::new(0_u64));
                let elapsed = contend(kind, &counter, rounds, |counter| {
                    let mut counter = counter.lock();
                    greenhub::yield_now();
                    *counter += 1;
                });
                assert_eq!(*counter.lock(), CONTENDERS * rounds);
                elapsed
            },
        );
        add(group, setting, "semaphore", |kind, rounds| {
            let semaphore = Arc::new(Semaphore::new(1));
            contend(kind, &semaphore, rounds, |semaphore| {
                drop(semaphore.acquire());
            })
        });
    });
}

/// The greenlets do so side by side, each for so many rounds.
fn contend<L: Send + Sync + 'static>(
    kind: Kind,
    lock: &Arc<L>,
    rounds: u64,
    round: impl Fn(&L) + Copy + Send + 'static,
) -> Duration {
    timed(1, || {
        let greenlets: Vec<_> = (0..CONTENDERS)
            .map(|_| {
                let lock = Arc::clone(lock);
                kind.spawn(move || (0..rounds).for_each(|_| round(&lock)))
            })
            .collect();
        for greenlet in greenlets {
            greenlet.join().expect("it does not panic");
        }
    })
}

/// Two greenlets take turns, each waiting for the other's notification.
fn condvar(criterion: &mut Criterion) {
    in_every_setting(criterion, "condvar", |group, setting| {
        add(group, setting, "ping-pong", |kind, trips| {
            let turn = Arc::new((Mutex::new(0_u64), Condvar::new()));
            let partner = kind.spawn({
                let turn = Arc::clone(&turn);
                move || (0..trips).for_each(|trip| take_turn(&turn, 2 * trip + 1))
            });
            let mut trip = 0;
            let elapsed = timed(trips, || {
                take_turn(&turn, 2 * trip);
                trip += 1;
            });
            partner.join().expect("it does not panic");
            elapsed
        });
    });
}

fn take_turn((turn, changed): &(Mutex<u64>, Condvar), mine: u64) {
    let mut turn = turn.lock();
    changed.wait_while(&mut turn, |turn| *turn != mine);
    *turn += 1;
    drop(turn);
    changed.notify_one();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    uncontended(&mut criterion);
    contended(&mut criterion);
    condvar(&mut criterion);
    criterion.final_summary();
}
