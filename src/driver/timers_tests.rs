//! Timers, on a clock that the tests turn themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// Timers and the moment they count from.
fn timers<F>() -> (Timers<F>, Instant) {
    let timers = Timers::new();
    let base = timers.base;
    (timers, base)
}

fn fired<F>(timers: &Timers<F>, now: Instant) -> Vec<F> {
    let mut fired = Vec::new();
    let count = timers.fire(now, |fire| fired.push(fire));
    assert_eq!(count, fired.len());
    fired
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    let (timers, base) = timers();
    for n in [5, 1, 4, 2, 3] {
        timers.arm(base + MS * n, n);
    }
    assert_eq!(timers.next(), Some(base + MS));
    assert_eq!(fired(&timers, base + MS * 3), [1, 2, 3]);
    assert_eq!(timers.next(), Some(base + MS * 4));
    assert_eq!(fired(&timers, base + MS * 9), [4, 5]);
    assert_eq!((timers.next(), timers.len()), (None, 0));
}

#[test]
fn timers_of_the_same_moment_fire_in_the_order_they_were_armed() {
    let (timers, base) = timers();
    for n in 0..1_000 {
        timers.arm(base + MS, n);
    }
    assert!(fired(&timers, base + MS).into_iter().eq(0..1_000));
}

#[test]
fn no_timer_fires_a_nanosecond_early() {
    let (timers, base) = timers();
    timers.arm(base + MS, ());
    assert_eq!(fired(&timers, base + MS - Duration::from_nanos(1)).len(), 0);
    assert_eq!(fired(&timers, base + MS).len(), 1);
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    let timers = Timers::new();
    timers.arm(timers.base - Duration::from_secs(1).min(MS), 1);
    timers.arm(timers.base, 2);
    assert_eq!(fired(&timers, timers.base + MS), [1, 2]);
}

#[test]
fn a_cancelled_timer_gives_back_what_it_would_have_done_and_does_not_fire() {
    let (timers, base) = timers();
    let first = timers.arm(base + MS, 1);
    let second = timers.arm(base + MS * 2, 2);
    assert_eq!(timers.cancel(first), Some(1));
    assert_eq!(timers.cancel(first), None);
    assert_eq!(timers.next(), Some(base + MS * 2));
    assert_eq!(fired(&timers, base + MS * 2), [2]);
    assert_eq!(timers.cancel(second), None);
}

#[test]
fn a_key_never_means_a_later_timer_of_the_same_slot() {
    let (timers, base) = timers();
    let old = timers.arm(base + MS, 1);
    assert_eq!(timers.cancel(old), Some(1));
    let new = timers.arm(base + MS, 2);
    assert_eq!(old.slot, new.slot);
    assert_eq!(timers.cancel(old), None);
    assert_eq!(timers.cancel(new), Some(2));
}

#[test]
fn the_last_cancellation_leaves_no_deadline_behind() {
    let (timers, base) = timers();
    let keys: Vec<_> = (1..=3).map(|n| timers.arm(base + MS * n, n)).collect();
    for key in keys {
        timers.cancel(key);
    }
    assert_eq!(timers.next(), None);
    assert_eq!(timers.table.lock().heap.len(), 0);
}

#[test]
fn a_far_deadline_is_kept_and_does_not_overflow() {
    let (timers, base) = timers();
    let centuries = Duration::from_secs(600 * 366 * 24 * 3600);
    timers.arm(base + centuries, "far");
    timers.arm(base + Duration::from_secs(400 * 24 * 3600), "400 days");
    assert_eq!(
        fired(&timers, base + Duration::from_secs(399 * 24 * 3600)).len(),
        0
    );
    assert_eq!(
        fired(&timers, base + Duration::from_secs(400 * 24 * 3600)),
        ["400 days"]
    );
    assert!(timers.next().is_some());
    // Beyond what the clock of a hub can count, the end of time is late, never early.
    assert_eq!(
        fired(&timers, base + Duration::from_secs(500 * 366 * 24 * 3600)).len(),
        0
    );
    assert_eq!(timers.len(), 1);
}

/// In steps of an hour: a timer for each, one that is put off every hour and never due, and one for each day that is cancelled.
#[test]
fn four_hundred_days_go_by_hour_by_hour() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (timers, base) = timers();
    let mut put_off = timers.arm(base + HOUR * 2, None);
    for hour in 1..=400 * 24 {
        let now = base + HOUR * hour;
        timers.arm(now, Some(hour));
        let cancelled = (hour % 24 == 0).then(|| timers.arm(now, None));
        assert_eq!(timers.next(), Some(now));
        assert_eq!(timers.cancel(put_off), Some(None));
        put_off = timers.arm(now + HOUR * 2, None);
        if let Some(key) = cancelled {
            assert_eq!(timers.cancel(key), Some(None));
        }
        let nearly = now - Duration::from_nanos(1);
        assert!(fired(&timers, nearly).is_empty());
        assert_eq!(fired(&timers, now), [Some(hour)]);
    }
    assert_eq!(timers.len(), 1);
}

#[test]
fn cancelling_sweeps_the_heap_before_it_outgrows_what_is_armed() {
    let (timers, base) = timers();
    let kept: Vec<_> = (0..100).map(|n| timers.arm(base + MS * n, n)).collect();
    for n in 0..100_000 {
        let key = timers.arm(base + Duration::from_secs(3600), n);
        timers.cancel(key);
    }
    let stale = timers.table.lock().heap.len() - kept.len();
    assert!(stale <= kept.len() + FEW + 1, "{stale}");
    assert!(fired(&timers, base + MS * 100).into_iter().eq(0..100));
}

#[test]
fn draining_gives_everything_back_once() {
    let (timers, base) = timers();
    let keys: Vec<_> = (0..100).map(|n| timers.arm(base + MS * n, n)).collect();
    timers.cancel(keys[50]);
    let mut drained = timers.drain();
    drained.sort_unstable();
    assert!(drained.into_iter().eq((0..100).filter(|n| *n != 50)));
    assert_eq!((timers.len(), timers.next()), (0, None));
    assert_eq!(timers.cancel(keys[0]), None);
    assert_eq!(fired(&timers, base + MS * 200).len(), 0);
    let key = timers.arm(base, 7);
    assert_eq!(timers.cancel(key), Some(7));
}

#[test]
fn what_is_fired_may_arm_again_without_end() {
    let (timers, base) = timers();
    timers.arm(base, 0);
    let fired = timers.fire(base + MS, |n| {
        if n < 1_000 {
            timers.arm(base, n + 1);
        }
    });
    assert_eq!(fired, 1_001);
}

#[test]
fn an_armed_timer_says_when_it_has_become_the_first() {
    let (timers, base) = timers();
    assert!(timers.arm_and_tell(base + MS * 2, 0).1);
    assert!(!timers.arm_and_tell(base + MS * 3, 0).1);
    assert!(timers.arm_and_tell(base + MS, 0).1);
}

#[test]
fn a_million_sleepers_cost_at_most_64_bytes_each() {
    // A pointer with a tag, as a hub's timers hold (`reactor_tests` looks at the real one).
    #[expect(dead_code, reason = "only its size matters")]
    enum Fire {
        Unpark(bool, Box<u8>),
        Start(Box<u8>),
    }
    assert!(size_of::<Entry>() + size_of::<Slot<Fire>>() <= 64);
}

/// A generator that needs no crate: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn a_hundred_thousand_random_steps_agree_with_a_sorted_map() {
    let (timers, base) = timers();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    // Deadline and order of arming -> key: what is armed, first the first.
    let mut model = BTreeMap::new();
    // Gone keys, which must stay gone.
    let mut gone = Vec::new();
    let mut now = base;
    for n in 0..100_000_u64 {
        match random.below(10) {
            // Few distinct deadlines, so that many are equal; some are in the past.
            0..=4 => {
                let at = now + Duration::from_micros(random.below(300)) - MS / 10;
                let at = at.max(base + Duration::from_nanos(1));
                model.insert((at, n), timers.arm(at, n));
            }
            5..=7 => {
                let at = random.below(model.len().max(1) as u64) as usize;
                if let Some((&(at, n), &key)) = model.iter().nth(at % 64) {
                    assert_eq!(timers.cancel(key), Some(n));
                    model.remove(&(at, n));
                    gone.push(key);
                }
            }
            8 => {
                now += Duration::from_micros(random.below(20));
                let later = model.split_off(&(now + Duration::from_nanos(1), 0));
                let due = std::mem::replace(&mut model, later);
                assert!(
                    fired(&timers, now)
                        .into_iter()
                        .eq(due.keys().map(|(_, n)| *n))
                );
                gone.extend(due.into_values());
            }
            _ => {
                assert_eq!(timers.next(), model.keys().next().map(|(at, _)| *at));
                assert_eq!(timers.len(), model.len());
                if let Some(key) = gone.get(random.below(gone.len().max(1) as u64) as usize) {
                    assert_eq!(timers.cancel(*key), None);
                }
            }
        }
    }
    assert!(gone.len() > 10_000);
}
