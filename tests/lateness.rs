//! Timers on hubs that are busy: how late they are is counted in turns of the hub, not in time, which the machine decides.

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use support::{KINDS, Kind, Watchdog, runtime, times};

/// Turns that a hub may take between a deadline and the sleeper's waking: it looks at its timers every 61 turns at the latest,
/// and then whoever was ready before may have a turn.
const MOST: usize = 61 + 30;

/// Greenlets on each hub that compute and yield.
const HOGS: usize = 4;

/// A sleeper, as the hogs see it.
#[derive(Default)]
struct Watched {
    /// When it is to wake, and on which hub its timer is; none while it is awake.
    asleep: Mutex<Option<(Instant, ThreadId)>>,
    /// How many turns that hub has taken since.
    turns: AtomicUsize,
    over: AtomicBool,
}

impl Watched {
    fn sleep(&self, duration: Duration) -> usize {
        let deadline = Instant::now() + duration;
        *self.asleep.lock().unwrap() = Some((deadline, thread::current().id()));
        greenhub::sleep_until(deadline);
        *self.asleep.lock().unwrap() = None;
        self.turns.swap(0, Ordering::Relaxed)
    }

    fn compute_and_yield(&self) {
        while !self.over.load(Ordering::Relaxed) {
            black_box((0..2_000_u64).fold(1, |value, step| black_box(value ^ step)));
            let late = self.asleep.lock().unwrap().is_some_and(|(deadline, hub)| {
                thread::current().id() == hub && Instant::now() >= deadline
            });
            if late {
                self.turns.fetch_add(1, Ordering::Relaxed);
            }
            greenhub::yield_now();
        }
    }
}

/// CHECKS.md row 17. Seen to fail with maintenance every 6,100 turns and not by the clock.
#[test]
fn a_timer_is_few_turns_late_while_every_hub_computes_and_yields() {
    let _watchdog = Watchdog::start();
    for hubs in [1, 2] {
        for (sleeps, computes) in KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b))) {
            let worst = runtime(hubs).run(move || worst_lateness(hubs, sleeps, computes));
            assert!(
                worst <= MOST,
                "{hubs} hubs, a {sleeps:?} sleeper, {computes:?} hogs: {worst} turns late"
            );
        }
    }
}

fn worst_lateness(hubs: usize, sleeps: Kind, computes: Kind) -> usize {
    let watched = Arc::new(Watched::default());
    let hogs: Vec<_> = (0..hubs * HOGS)
        .map(|_| {
            let watched = Arc::clone(&watched);
            computes.spawn(move || watched.compute_and_yield())
        })
        .collect();
    let sleeper = {
        let watched = Arc::clone(&watched);
        sleeps.spawn(move || {
            let lengths = (0..times(200, 50)).map(|n| Duration::from_micros(n as u64 * 7));
            lengths.map(|length| watched.sleep(length)).max()
        })
    };
    let worst = sleeper.join().unwrap();
    watched.over.store(true, Ordering::Relaxed);
    hogs.into_iter().for_each(|hog| hog.join().unwrap());
    worst.expect("it slept")
}

/// A hub that has taken many short turns expects more of them. Seen to fail, with dozens of slices, when a yield did not look at
/// the clock.
#[test]
fn a_timer_waits_for_no_second_long_slice_if_the_first_ends_in_a_yield() {
    let _watchdog = Watchdog::start();
    for (sleeps, computes) in KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b))) {
        let late = runtime(1).run(move || {
            let is_awake = Arc::new(AtomicBool::new(false));
            let deadline = Instant::now() + Duration::from_millis(5);
            let sleeper = sleeps.spawn({
                let is_awake = Arc::clone(&is_awake);
                move || {
                    greenhub::sleep_until(deadline);
                    is_awake.store(true, Ordering::Relaxed);
                }
            });
            let hog = computes.spawn(move || {
                (0..1_000).for_each(|_| greenhub::yield_now());
                let mut late = 0;
                while !is_awake.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    late += usize::from(began >= deadline);
                    while began.elapsed() < Duration::from_millis(1) {
                        std::hint::spin_loop();
                    }
                    greenhub::yield_now();
                }
                late
            });
            sleeper.join().unwrap();
            hog.join().unwrap()
        });
        assert!(
            late <= 2,
            "a {sleeps:?} sleeper, a {computes:?} hog: {late} slices late"
        );
    }
}
