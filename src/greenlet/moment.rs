//! A point in time, in one word.
//!
//! Waits are stamped with their hub's idea of the time, which costs a load and a store; the hub reads the clock when it looks around
//! (every 61 turns or half a millisecond) and when it comes back from its poller. So a wait that began long after the
//! hub's last look, at the end of a long slice, seems to be older than it is, by as much as that slice.

use std::time::{Duration, Instant};

use crate::primitive::sync::OnceLock;

/// Where the nanoseconds count from: about when the first hub of the process started.
static BASE: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since then, for half a thousand years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The moment of `at`; what lies before the first of all is that one.
    pub(crate) fn of(at: Instant) -> Moment {
        let base = *BASE.get_or_init(Instant::now);
        Moment(0).after(at.saturating_duration_since(base))
    }

    /// So much later.
    #[inline]
    pub(crate) fn after(self, elapsed: Duration) -> Moment {
        Moment(self.0 + elapsed.as_nanos() as u64)
    }

    /// What [`Moment::nanos`] has told.
    pub(super) fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// The number.
    #[inline]
    pub(super) fn nanos(self) -> u64 {
        self.0
    }

    /// How long ago it was at `now`.
    pub(crate) fn until(self, now: Moment) -> Duration {
        Duration::from_nanos(now.0.saturating_sub(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_tells_how_long_ago_it_was() {
        // Whatever else has run, what follows is not before the first moment of all.
        let _first = Moment::of(Instant::now());
        let began = Instant::now();
        let then = Moment::of(began);
        let later = Moment::of(began + Duration::from_millis(1500));
        assert_eq!(then.until(later), Duration::from_millis(1500));
        assert_eq!(later.until(then), Duration::ZERO);
        assert_eq!(then.after(Duration::from_millis(1500)), later);
    }
}
