//! A point in time, small enough to lie beside something else in a word.
//!
//! Waits are stamped with their hub's idea of the time, which costs a load; the hub reads the clock when it looks around
//! (every 61 turns or half a millisecond) and when it comes back from its poller. So a wait that began long after the
//! hub's last look, at the end of a long slice, seems to be older than it is, by as much as that slice.

use std::time::{Duration, Instant};

use crate::primitive::sync::OnceLock;

/// Where the microseconds count from: about when the first hub of the process started.
static BASE: OnceLock<Instant> = OnceLock::new();

/// Microseconds since then, for two thousand years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// How many bits it needs.
    pub(crate) const BITS: u32 = 56;

    /// The moment of `at`; what lies before the first of all is that one.
    pub(crate) fn of(at: Instant) -> Moment {
        let base = *BASE.get_or_init(Instant::now);
        let micros = at.saturating_duration_since(base).as_micros();
        Moment::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// What [`Moment::micros`] has told, whatever is in the bits above.
    pub(super) fn from_micros(micros: u64) -> Moment {
        Moment(micros & ((1 << Moment::BITS) - 1))
    }

    /// The number.
    #[inline]
    pub(super) fn micros(self) -> u64 {
        self.0
    }

    /// How long ago it was at `now`.
    pub(crate) fn until(self, now: Moment) -> Duration {
        Duration::from_micros(now.0.saturating_sub(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_tells_how_long_ago_it_was() {
        let began = Instant::now();
        let then = Moment::of(began);
        let later = Moment::of(began + Duration::from_millis(1500));
        assert_eq!(then.until(later), Duration::from_millis(1500));
        assert_eq!(later.until(then), Duration::ZERO);
    }
}
