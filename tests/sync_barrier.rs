//! A barrier whose waiters give up as the last one comes: it stays usable, and whoever was counted passes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use greenhub::sync::Barrier;
use greenhub::{catch_kill, timeout};
use support::{KINDS, Random, Watchdog, runtime, times};

const PARTIES: usize = 3;

/// Meetings, and how many of them each party has come to.
struct Meetings {
    barrier: Barrier,
    come_to: [AtomicUsize; PARTIES],
    leaders: AtomicUsize,
}

impl Meetings {
    /// Comes to so many, again and again to each until it has passed.
    fn attend(&self, party: usize, meetings: usize) {
        let mut random = Random::new(party as u64);
        for meeting in 1..=meetings {
            self.come_to[party].store(meeting, Ordering::SeqCst);
            let leads = loop {
                let limit = Duration::from_nanos(random.below(60_000));
                let leads = catch_kill(|| match random.below(2) {
                    0 => timeout(limit, || self.barrier.wait().is_leader()).ok(),
                    _ => Some(self.barrier.wait().is_leader()),
                });
                if let Ok(Some(leads)) = leads {
                    break leads;
                }
            };
            self.leaders.fetch_add(usize::from(leads), Ordering::SeqCst);
            for come_to in &self.come_to {
                assert!(come_to.load(Ordering::SeqCst) >= meeting, "one is missing");
            }
        }
    }
}

#[test]
fn all_pass_whoever_gives_up_as_the_last_one_comes() {
    let _watchdog = Watchdog::start();
    let meetings = times(100_000, 5000);
    let shared = Arc::new(Meetings {
        barrier: Barrier::new(PARTIES),
        come_to: Default::default(),
        leaders: AtomicUsize::new(0),
    });
    let runtime = runtime(2);
    let over = Arc::new(AtomicBool::new(false));
    let greenlets = KINDS.map(|kind| {
        let shared = Arc::clone(&shared);
        runtime.run(|| kind.spawn(move || shared.attend(kind as usize, meetings)))
    });
    let ours = Arc::clone(&shared);
    let party = thread::spawn(move || ours.attend(PARTIES - 1, meetings));
    let killer = {
        let (shared, over) = (Arc::clone(&shared), Arc::clone(&over));
        let targets = greenlets.each_ref().map(|one| one.greenlet().clone());
        thread::spawn(move || {
            // One that has not begun would be killed for good.
            while !shared
                .come_to
                .iter()
                .all(|one| one.load(Ordering::SeqCst) > 0)
            {
                thread::yield_now();
            }
            let mut random = Random::new(99);
            while !over.load(Ordering::SeqCst) {
                targets[random.below(2) as usize].kill();
                (0..random.below(5000)).for_each(|_| std::hint::spin_loop());
            }
        })
    };
    party.join().unwrap();
    greenlets.into_iter().for_each(|one| one.join().unwrap());
    over.store(true, Ordering::SeqCst);
    killer.join().unwrap();
    assert_eq!(shared.leaders.load(Ordering::SeqCst), meetings);
}

#[test]
fn a_barrier_for_more_than_can_come_lets_nobody_pass() {
    let _watchdog = Watchdog::start();
    runtime(1).run(|| {
        let barrier = Barrier::new(usize::MAX);
        for _ in 0..2 {
            assert!(timeout(Duration::from_millis(1), || barrier.wait()).is_err());
        }
    });
}
