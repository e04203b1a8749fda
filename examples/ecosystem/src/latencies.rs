//! How long things took, in microseconds, from one to a minute.

use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;

/// A histogram with three significant digits. What takes longer counts as a minute.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 3);
        Latencies(histogram.expect("these are bounds"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(microseconds);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What this share of them did not exceed, such as 0.99.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }
}

impl AddAssign<&Latencies> for Latencies {
    fn add_assign(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("both have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_what_they_say() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        for ms in 1..=1000 {
            latencies.add(Duration::from_millis(ms));
        }
        let near = |share, ms: u64| {
            let off = latencies
                .quantile(share)
                .abs_diff(Duration::from_millis(ms));
            assert!(
                off <= Duration::from_millis(ms) / 500,
                "{share}: off by {off:?}"
            );
        };
        near(0.5, 500);
        near(0.99, 990);
        near(1.0, 1000);
        assert_eq!(latencies.count(), 1000);
        latencies.add(Duration::MAX);
        assert!(latencies.longest() >= Duration::from_secs(60));
    }
}
