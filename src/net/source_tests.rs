//! What a wait leaves with its socket.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::{catch_kill, spawn, timeout};

/// How many are on the lists of a source, which has been waited for.
fn waiting<T>(source: &Source<T>) -> usize {
    let first = source.registered.first().expect("it was waited for");
    [Direction::Read, Direction::Write]
        .map(|direction| first.readiness(direction).waiting())
        .iter()
        .sum()
}

fn idle() -> (Arc<Source<UnixStream>>, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Arc::new(Source::new(near).unwrap()), far)
}

/// Before there was a guard some 300 entries were left of these 1,000 waits.
#[test]
fn a_limit_that_passes_before_the_park_leaves_nothing_on_the_list() {
    crate::run(|| {
        let (near, _far) = idle();
        for round in 0..1_000 {
            let limit = Duration::from_nanos(round % 20 * 100);
            let late = timeout(limit, || (&*near).read(&mut [0; 8]));
            assert!(late.is_err());
        }
        assert!(timeout(Duration::from_millis(1), || near.readable()).is_err());
        assert_eq!(waiting(&near), 0);
    });
}

/// Without the guard some 20 of these kills left an entry each.
#[test]
fn a_kill_that_comes_before_the_park_leaves_nothing_on_the_list() {
    const ROUNDS: usize = 20_000;
    crate::run(|| {
        let (near, _far) = idle();
        let round = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (near, round) = (Arc::clone(&near), Arc::clone(&round));
            spawn(move || {
                for _ in 0..ROUNDS {
                    round.fetch_add(1, Ordering::Relaxed);
                    assert!(catch_kill(|| (&*near).read(&mut [0; 8])).is_err());
                }
                round.fetch_add(1, Ordering::Relaxed);
            })
        };
        let greenlet = reader.greenlet().clone();
        let killer = std::thread::spawn(move || {
            for at in 1..=ROUNDS {
                while round.load(Ordering::Relaxed) < at {
                    std::hint::spin_loop();
                }
                (0..at % 200).for_each(|_| std::hint::spin_loop());
                greenlet.kill();
            }
        });
        reader.join().unwrap();
        killer.join().unwrap();
        assert_eq!(waiting(&near), 0);
    });
}
