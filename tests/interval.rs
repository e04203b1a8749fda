//! `time::interval`.

mod common;

use std::time::{Duration, Instant};

use common::{Kind, Watchdog, until_parked_in};
use greenhub::time::{Interval, MissedTickBehavior, interval, interval_at};
use greenhub::{Elapsed, catch_kill, sleep, timeout};

const PERIOD: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(600);

/// On an OS thread, and on greenlets of both kinds.
fn on_all(scenario: fn()) {
    let _watchdog = Watchdog::new();
    scenario();
    for hubs in [1, 2] {
        let runtime = common::runtime(hubs);
        for kind in Kind::BOTH {
            runtime.run(|| kind.spawn(scenario).join()).unwrap();
        }
    }
}

/// Keeps the thread until `deadline`.
fn compute_until(deadline: Instant) {
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
}

#[test]
fn ticks_come_a_period_apart_and_never_early() {
    on_all(|| {
        let start = Instant::now();
        let mut ticks = interval_at(start + PERIOD, PERIOD);
        for n in 1..=20 {
            let due = ticks.tick();
            assert_eq!(due, start + PERIOD * n);
            assert!(due <= Instant::now());
        }
        assert_eq!(ticks.period(), PERIOD);
    });
}

#[test]
fn the_first_tick_of_an_interval_comes_at_once() {
    on_all(|| {
        let before = Instant::now();
        let mut ticks = interval(LONG);
        let due = ticks.tick();
        assert!(before <= due && due <= Instant::now());
        // And the second does not.
        assert_eq!(timeout(PERIOD, || ticks.tick()), Err(Elapsed));
    });
}

#[test]
fn an_interval_is_an_endless_iterator() {
    on_all(|| {
        let start = Instant::now();
        let due: Vec<_> = interval_at(start, PERIOD).take(4).collect();
        assert!((0..4).map(|n| start + PERIOD * n).eq(due));
    });
}

#[test]
fn a_burst_makes_up_for_what_was_missed() {
    on_all(|| {
        let start = Instant::now();
        let mut ticks = interval_at(start, PERIOD);
        assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
        compute_until(start + PERIOD * 10);
        for n in 0..15 {
            assert_eq!(ticks.tick(), start + PERIOD * n);
        }
    });
}

#[test]
fn a_delay_leaves_a_period_after_what_was_late() {
    on_all(|| {
        let start = Instant::now();
        let mut ticks = interval_at(start, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let late = start + PERIOD * 10;
        compute_until(late);
        assert_eq!(ticks.tick(), start);
        assert!(ticks.tick() >= late + PERIOD);
    });
}

#[test]
fn a_skip_keeps_step_with_the_start() {
    on_all(|| {
        let start = Instant::now();
        let mut ticks = interval_at(start, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let late = start + PERIOD * 10;
        compute_until(late);
        assert_eq!(ticks.tick(), start);
        for _ in 0..3 {
            let due = ticks.tick();
            assert!(due > late);
            assert_eq!((due - start).as_nanos() % PERIOD.as_nanos(), 0);
        }
    });
}

#[test]
fn a_reset_moves_the_next_tick() {
    on_all(|| {
        let mut ticks = interval_at(Instant::now() + LONG, PERIOD);
        let before = Instant::now();
        ticks.reset();
        assert!(ticks.tick() >= before + PERIOD);
        ticks.reset_after(LONG);
        assert_eq!(timeout(PERIOD, || ticks.tick()), Err(Elapsed));
        ticks.reset_immediately();
        assert!(ticks.tick() <= Instant::now());
        let at = Instant::now() + PERIOD;
        ticks.reset_at(at);
        assert_eq!(ticks.tick(), at);
        assert_eq!(ticks.tick(), at + PERIOD);
    });
}

#[test]
fn what_is_beyond_the_end_of_the_clock_does_not_come() {
    on_all(|| {
        let mut ticks = interval(Duration::MAX);
        ticks.tick();
        assert_eq!(timeout(PERIOD, || ticks.tick()), Err(Elapsed));
        ticks.reset_immediately();
        ticks.tick();
        ticks.reset();
        assert_eq!(timeout(PERIOD, || ticks.tick()), Err(Elapsed));
        ticks.reset_after(Duration::MAX);
        assert_eq!(timeout(PERIOD, || ticks.tick()), Err(Elapsed));
    });
}

/// Seen to fail with the next tick determined before the wait.
#[test]
fn a_wait_that_is_broken_off_loses_no_tick() {
    on_all(|| {
        let start = Instant::now();
        let mut ticks = interval_at(start + PERIOD * 4, PERIOD);
        // Not due yet, most likely.
        assert_eq!(timeout(Duration::ZERO, || ticks.tick()), Err(Elapsed));
        assert_eq!(ticks.tick(), start + PERIOD * 4);
        // Due already, and broken off all the same.
        compute_until(start + PERIOD * 6);
        assert_eq!(timeout(Duration::ZERO, || ticks.tick()), Err(Elapsed));
        assert_eq!(ticks.tick(), start + PERIOD * 5);
    });
    common::everywhere(|kind| {
        let start = Instant::now() + LONG;
        let refuses = kind.spawn(move || {
            let mut ticks: Interval = interval_at(start, PERIOD);
            assert!(catch_kill(|| ticks.tick()).is_err());
            ticks
        });
        until_parked_in(refuses.greenlet(), "sleep");
        refuses.kill();
        let mut ticks = refuses.join().unwrap();
        ticks.reset_after(Duration::ZERO);
        ticks.tick();
    });
}

#[test]
fn others_run_between_two_ticks_even_if_both_are_due() {
    common::both_kinds_on(1, |kind| {
        let start = Instant::now();
        let mut ticks = interval_at(start, Duration::from_nanos(1));
        let other = kind.spawn(|| sleep(Duration::ZERO));
        while !other.is_finished() {
            ticks.tick();
        }
    });
}

#[test]
fn a_period_of_zero_is_refused() {
    let refused = "the period of an interval must not be zero";
    assert_eq!(common::panic_of(|| interval(Duration::ZERO)), refused);
    assert_eq!(
        common::panic_of(|| interval_at(Instant::now(), Duration::ZERO)),
        refused
    );
}
