//! When a slice has lasted too long: the watchdog's memory of the hubs that it looks at. No clock is read here, and no
//! thread waits.
//!
//! A slice is known from the look that first saw it. So it is never older than it is said to be, and it is reported no later
//! than the limit and the time between two looks after its beginning.

use std::time::{Duration, Instant};

/// So many looks are taken in the time that is allowed.
const LOOKS: u32 = 5;

/// But no more often than this.
const SHORTEST: Duration = Duration::from_micros(50);

/// What is to be seen of a hub at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The number of its slice; even if it is in none.
    pub(crate) number: u64,
    /// How many stretches in which a greenlet was meant to block have ended there.
    pub(crate) excuses: u64,
    /// How many greenlets are ready there.
    pub(crate) ready: usize,
}

impl Sight {
    /// The hub has not moved from one to the other.
    pub(crate) fn is_same_slice(self, other: Sight) -> bool {
        (self.number, self.excuses) == (other.number, other.excuses)
    }

    /// The hub is in a slice.
    pub(crate) fn is_in_slice(self) -> bool {
        self.number % 2 == 1
    }
}

/// What a look at a hub tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an overdue slice is told of once"]
pub(crate) enum Look {
    /// It is between two slices, or in a slice that was not seen before.
    Moving,
    /// It is in the same slice as at the last look.
    Standing,
    /// The same, and now for longer than is allowed. Told once a slice.
    Overdue(Overdue),
}

/// A slice that has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// For how long, at least.
    pub(crate) elapsed: Duration,
    /// For how long, at least, somebody has been ready behind it.
    pub(crate) longest_wait: Duration,
}

/// The watchdog's memory.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: Duration,
    hubs: Box<[Memory]>,
}

/// Of one hub.
#[derive(Clone, Copy, Debug)]
struct Memory {
    sight: Sight,
    /// When that slice was first seen.
    since: Instant,
    /// When somebody was first seen ready behind it.
    stranded_since: Option<Instant>,
    /// It has been told of.
    told: bool,
}

impl Watch {
    /// Of so many hubs, each of which may be in one slice for `limit`.
    pub(crate) fn new(hubs: usize, limit: Duration, now: Instant) -> Watch {
        let nothing = Memory {
            sight: Sight::default(),
            since: now,
            stranded_since: None,
            told: false,
        };
        Watch {
            limit,
            hubs: vec![nothing; hubs].into_boxed_slice(),
        }
    }

    /// A look at a hub whose slice may last for `limit`; if that is zero, the slice need not have been seen before. If the slice that ended was told of, `over` is called with its length.
    pub(crate) fn look(
        &mut self,
        hub: usize,
        sight: Sight,
        now: Instant,
        limit: Duration,
        over: impl FnOnce(Duration),
    ) -> Look {
        let memory = &mut self.hubs[hub];
        if !memory.sight.is_same_slice(sight) {
            if memory.told {
                over(now.saturating_duration_since(memory.since));
            }
            *memory = Memory {
                sight,
                since: now,
                stranded_since: (sight.ready > 0).then_some(now),
                told: false,
            };
            if !limit.is_zero() {
                return Look::Moving;
            }
        }
        if !sight.is_in_slice() {
            return Look::Moving;
        }
        if sight.ready > 0 {
            memory.stranded_since.get_or_insert(now);
        }
        let elapsed = now.saturating_duration_since(memory.since);
        if memory.told || elapsed < limit {
            return Look::Standing;
        }
        memory.told = true;
        Look::Overdue(Overdue {
            elapsed,
            longest_wait: memory
                .stranded_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        })
    }

    /// The slice that was just found overdue was meant to be long: it begins now.
    pub(crate) fn excuse(&mut self, hub: usize, now: Instant) {
        let memory = &mut self.hubs[hub];
        memory.since = now;
        memory.stranded_since = None;
        memory.told = false;
    }

    /// The watchdog itself did not run for so long when it should have, so most likely nobody did: the time does not count.
    pub(crate) fn overslept(&mut self, gap: Duration, now: Instant) {
        for memory in &mut self.hubs {
            memory.since = (memory.since + gap).min(now);
            memory.stranded_since = memory.stranded_since.map(|since| (since + gap).min(now));
        }
    }

    /// Between two looks.
    pub(crate) fn interval(&self) -> Duration {
        (self.limit / LOOKS).max(SHORTEST)
    }

    /// When to look again.
    pub(crate) fn next_look(&self, now: Instant) -> Instant {
        let regular = now + self.interval();
        self.hubs
            .iter()
            .filter(|memory| memory.sight.is_in_slice() && !memory.told)
            .map(|memory| memory.since + self.limit)
            .fold(regular, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Look, Overdue, Sight, Watch};

    const MS: Duration = Duration::from_millis(1);
    const LIMIT: Duration = Duration::from_millis(100);

    fn slice(number: u64) -> Sight {
        Sight {
            number,
            ..Sight::default()
        }
    }

    fn none(elapsed: Duration) {
        panic!("nothing was told of that could be over after {elapsed:?}");
    }

    /// A hub whose slices follow one another, looked at as the watchdog looks.
    struct World {
        watch: Watch,
        start: Instant,
        now: Instant,
        told: Vec<Duration>,
        over: Vec<Duration>,
    }

    impl World {
        fn new() -> World {
            let start = Instant::now();
            World {
                watch: Watch::new(1, LIMIT, start),
                start,
                now: start,
                told: Vec::new(),
                over: Vec::new(),
            }
        }

        /// Runs slices of these lengths without a pause.
        fn run(&mut self, lengths: impl IntoIterator<Item = Duration>) {
            let mut ends = self.start;
            let mut number = 1;
            let mut next_look = self.now;
            for length in lengths {
                ends += length;
                while next_look < ends {
                    self.now = next_look;
                    let look = self.watch.look(0, slice(number), self.now, LIMIT, |over| {
                        self.over.push(over);
                    });
                    if let Look::Overdue(overdue) = look {
                        self.told.push(overdue.elapsed);
                    }
                    next_look = self.watch.next_look(self.now);
                    assert!(next_look > self.now);
                }
                number += 2;
            }
            self.start = ends;
        }
    }

    #[test]
    fn a_slice_is_told_of_once_it_has_lasted_for_the_limit_and_a_fifth_at_the_most() {
        for offset in 0..40 {
            let mut world = World::new();
            world.run([MS * offset, LIMIT + LIMIT / 5 + MS]);
            assert_eq!(world.told.len(), 1, "after {offset} ms");
            assert!(world.told[0] >= LIMIT);
            assert!(world.now <= world.start);
        }
    }

    #[test]
    fn ten_hours_of_slices_below_the_limit_are_not_worth_a_word() {
        let mut world = World::new();
        let mut random = 1_u64;
        let mut left = Duration::from_secs(36_000);
        world.run(std::iter::from_fn(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let micros = match random % 4 {
                0 => 99_999,
                1 => random >> 48,
                _ => random % 100_000,
            };
            let length = Duration::from_micros(micros);
            left = left.checked_sub(length)?;
            Some(length)
        }));
        assert!(world.told.is_empty() && world.over.is_empty());
    }

    #[test]
    fn each_of_ten_thousand_slices_twice_the_limit_is_told_of_once_and_over_once() {
        let mut world = World::new();
        world.run(std::iter::repeat_n(LIMIT * 2, 10_000));
        world.run([MS * 40]);
        assert_eq!((world.told.len(), world.over.len()), (10_000, 10_000));
        let longest = LIMIT * 2 + LIMIT / 5;
        assert!(
            world
                .over
                .iter()
                .all(|over| (LIMIT..=longest).contains(over))
        );
    }

    #[test]
    fn a_hub_in_no_slice_is_never_overdue() {
        let start = Instant::now();
        let mut watch = Watch::new(1, LIMIT, start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            assert_eq!(watch.look(0, slice(2), now, LIMIT, none), Look::Moving);
        }
    }

    #[test]
    fn the_wait_counts_from_when_somebody_was_seen_ready() {
        let start = Instant::now();
        let mut watch = Watch::new(1, LIMIT, start);
        let ready = Sight {
            ready: 3,
            ..slice(1)
        };
        assert_eq!(watch.look(0, slice(1), start, LIMIT, none), Look::Moving);
        assert_eq!(
            watch.look(0, ready, start + MS * 60, LIMIT, none),
            Look::Standing
        );
        let overdue = Overdue {
            elapsed: MS * 110,
            longest_wait: MS * 50,
        };
        assert_eq!(
            watch.look(0, ready, start + MS * 110, LIMIT, none),
            Look::Overdue(overdue)
        );
        assert_eq!(
            watch.look(0, ready, start + MS * 900, LIMIT, none),
            Look::Standing
        );
    }

    #[test]
    fn what_was_meant_to_block_starts_the_clock_again() {
        let start = Instant::now();
        let mut watch = Watch::new(1, LIMIT, start);
        let mut excused = slice(1);
        assert_eq!(watch.look(0, excused, start, LIMIT, none), Look::Moving);
        let look = watch.look(0, excused, start + LIMIT, LIMIT, none);
        assert!(matches!(look, Look::Overdue(_)));
        // It is inside `allow_blocking` now.
        watch.excuse(0, start + LIMIT);
        assert_eq!(
            watch.look(0, excused, start + LIMIT * 2 - MS, LIMIT, none),
            Look::Standing
        );
        // It has left it.
        excused.excuses += 1;
        assert_eq!(
            watch.look(0, excused, start + LIMIT * 3, LIMIT, none),
            Look::Moving
        );
        assert_eq!(
            watch.look(0, excused, start + LIMIT * 4 - MS, LIMIT, none),
            Look::Standing
        );
        let look = watch.look(0, excused, start + LIMIT * 4, LIMIT, none);
        assert!(matches!(look, Look::Overdue(_)));
    }

    #[test]
    fn time_in_which_the_watchdog_did_not_run_does_not_count() {
        let start = Instant::now();
        let mut watch = Watch::new(1, LIMIT, start);
        assert_eq!(watch.look(0, slice(1), start, LIMIT, none), Look::Moving);
        // The whole process was stopped for an hour.
        let gap = Duration::from_secs(3600);
        let now = start + MS * 20 + gap;
        watch.overslept(gap, now);
        assert_eq!(watch.look(0, slice(1), now, LIMIT, none), Look::Standing);
        let look = watch.look(0, slice(1), now + MS * 80, LIMIT, none);
        assert!(matches!(look, Look::Overdue(overdue) if overdue.elapsed == LIMIT));
    }
}
