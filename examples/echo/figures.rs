//! What the clients have seen.

use std::fmt;
use std::time::Duration;

use crate::options::Load;

/// A run's figures.
pub(crate) struct Figures {
    connections: usize,
    bytes: usize,
    duration: Duration,
    /// How long each message was under way, in order.
    latencies: Vec<Duration>,
}

impl Figures {
    pub(crate) fn new(load: &Load, mut latencies: Vec<Duration>) -> Figures {
        latencies.sort_unstable();
        Figures {
            connections: load.connections,
            bytes: load.bytes,
            duration: load.duration,
            latencies,
        }
    }

    /// How long this share of the messages took at the most.
    fn at(&self, share: f64) -> Duration {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * share) as usize]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.latencies.len();
        writeln!(
            f,
            "{} connections, {} bytes, {:.1} s: {requests} requests, {:.0} a second",
            self.connections,
            self.bytes,
            self.duration.as_secs_f64(),
            requests as f64 / self.duration.as_secs_f64(),
        )?;
        let micros = |share| self.at(share).as_secs_f64() * 1e6;
        write!(
            f,
            "p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, longest {:.0} us",
            micros(0.5),
            micros(0.99),
            micros(0.999),
            micros(1.0)
        )
    }
}
