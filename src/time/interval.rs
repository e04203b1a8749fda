//! Ticks, one a period.

use std::time::{Duration, Instant};

use super::sleep::sleep_to;

/// Ticks now, and then once every `period`: see [`Interval`].
///
/// ```
/// use std::time::Duration;
///
/// greenhub::run(|| {
///     let mut interval = greenhub::time::interval(Duration::from_millis(2));
///     let first = interval.tick(); // at once
///     let second = interval.tick();
///     assert_eq!(second - first, Duration::from_millis(2));
/// });
/// ```
///
/// # Panics
///
/// If `period` is zero.
#[must_use]
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and then once every `period`: see [`Interval`].
///
/// # Panics
///
/// If `period` is zero.
#[must_use]
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an interval must not be zero"
    );
    Interval {
        due: Some(start),
        period,
        behavior: MissedTickBehavior::Burst,
    }
}

/// What happens to ticks that nobody waited for in time: a greenlet was busy for longer than a period, or its hub was.
///
/// With a tick every 10 ms, and a caller that is busy from 20 ms to 45 ms:
///
/// ```text
///   due      10    20    30    40    50    60    70
///   Burst    10    20             45 45 50    60    70       (at 45: those of 30 and 40)
///   Delay    10    20             45    55    65    75
///   Skip     10    20             45 50    60    70          (at 45: that of 30)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// They come one right after the other until the caller has caught up: as many ticks as periods, in the long run.
    #[default]
    Burst,
    /// The next tick comes a period after this one: never two within a period. Late are those that come a whole period or more
    /// than 5 ms after they were due, so that a timer's own lateness does not add up.
    Delay,
    /// They are dropped: the next tick comes when it would have come anyway, a multiple of the period after the start.
    Skip,
}

/// So late a tick is still in time for [`MissedTickBehavior::Delay`]: tokio's number.
const TOLERANCE: Duration = Duration::from_millis(5);

impl MissedTickBehavior {
    /// When the tick after the one of `due` is due, which comes `now`. `None`: never.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Option<Instant> {
        let late = now.saturating_duration_since(due);
        match self {
            MissedTickBehavior::Delay if late >= period || late > TOLERANCE => {
                now.checked_add(period)
            }
            MissedTickBehavior::Skip if late >= period => {
                now.checked_add(period - remainder(late, period))
            }
            _ => due.checked_add(period),
        }
    }
}

/// What is left of `late` after as many whole periods as there are in it.
fn remainder(late: Duration, period: Duration) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let nanos = late.as_nanos() % period.as_nanos();
    // Both fit: the remainder is no longer than `late`.
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

/// Ticks, one a period, for as long as somebody waits for them: [`interval`] makes it. In greenlets and on OS threads.
///
/// Unlike a loop around [`sleep`](crate::sleep) it does not drift: the time that is spent between two ticks is part of the period.
/// It is an endless iterator, too:
///
/// ```
/// use std::time::Duration;
///
/// for (n, due) in greenhub::time::interval(Duration::from_millis(1)).take(3).enumerate() {
///     println!("tick {n} was due at {due:?}");
/// }
/// ```
#[derive(Debug)]
pub struct Interval {
    /// When the next tick is; `None` for never, beyond the clock's end.
    due: Option<Instant>,
    period: Duration,
    behavior: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and returns when it was due. Others run even if that is past. If the wait is broken off, by a kill
    /// or a [`timeout`](crate::timeout), the tick is not lost: the next call waits for the same.
    #[track_caller]
    pub fn tick(&mut self) -> Instant {
        loop {
            sleep_to(self.due);
            if let Some(due) = self.due {
                self.due = self.behavior.next(due, Instant::now(), self.period);
                return due;
            }
        }
    }

    /// The next tick comes a period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// The next tick comes now.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick comes `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.due = Instant::now().checked_add(after);
    }

    /// The next tick comes at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.due = Some(deadline);
    }

    /// The time from one tick to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens to ticks that nobody waited for in time.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behavior
    }

    /// Sets that. It is [`MissedTickBehavior::Burst`] at first.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.behavior = behavior;
    }
}

impl Iterator for Interval {
    type Item = Instant;

    /// Waits for the next tick: there always is one.
    #[track_caller]
    fn next(&mut self) -> Option<Instant> {
        Some(self.tick())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When the ticks come to a caller who is there in time, but for the one due at 30 ms, which it takes at `late`.
    fn ticks(behavior: MissedTickBehavior, late: u32) -> Vec<u128> {
        let start = Instant::now();
        let mut due = start + MS * 30;
        let mut now = start + MS * late;
        let mut ticks = Vec::new();
        for _ in 0..5 {
            now = now.max(due);
            ticks.push((now - start).as_millis());
            due = behavior.next(due, now, MS * 10).unwrap();
        }
        ticks
    }

    #[test]
    fn missed_ticks_are_made_up_for_or_put_off_or_dropped() {
        assert_eq!(ticks(MissedTickBehavior::Burst, 45), [45, 45, 50, 60, 70]);
        assert_eq!(ticks(MissedTickBehavior::Delay, 45), [45, 55, 65, 75, 85]);
        assert_eq!(ticks(MissedTickBehavior::Skip, 45), [45, 50, 60, 70, 80]);
        // Late by a multiple of the period: the tick of this very moment is the one that is taken.
        assert_eq!(ticks(MissedTickBehavior::Skip, 50), [50, 60, 70, 80, 90]);
    }

    #[test]
    fn a_tick_that_is_a_little_late_puts_nothing_off() {
        for behavior in [
            MissedTickBehavior::Burst,
            MissedTickBehavior::Delay,
            MissedTickBehavior::Skip,
        ] {
            assert_eq!(ticks(behavior, 34), [34, 40, 50, 60, 70], "{behavior:?}");
        }
        // Not in time, and not a whole period late.
        assert_eq!(ticks(MissedTickBehavior::Delay, 36), [36, 46, 56, 66, 76]);
        assert_eq!(ticks(MissedTickBehavior::Skip, 36), [36, 40, 50, 60, 70]);
    }

    #[test]
    fn what_lies_beyond_the_end_of_the_clock_is_never_due() {
        let start = Instant::now();
        for behavior in [
            MissedTickBehavior::Burst,
            MissedTickBehavior::Delay,
            MissedTickBehavior::Skip,
        ] {
            assert_eq!(behavior.next(start, start, Duration::MAX), None);
            let late = start + Duration::from_secs(400 * 24 * 3600);
            assert!(behavior.next(start, late, MS).is_some());
            let century = Duration::from_secs(100 * 366 * 24 * 3600);
            assert!(
                behavior
                    .next(start, start + century, Duration::from_nanos(1))
                    .is_some()
            );
        }
    }
}
