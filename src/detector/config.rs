//! How a runtime's detector is to be.

use std::fmt;
use std::time::Duration;

use super::report::BlockingReport;
use crate::primitive::sync::Arc;

/// How long a slice may last if nobody says otherwise.
const DEFAULT: Duration = Duration::from_millis(100);

/// The shortest time that can be watched.
const SHORTEST: Duration = Duration::from_micros(100);

/// Is called with each report.
pub(crate) type Hook = Arc<dyn Fn(&BlockingReport) + Send + Sync>;

/// Watches a runtime for greenlets that keep their hub: they compute, or call something that blocks the OS thread, for
/// longer than is allowed.
///
/// ```
/// use std::time::Duration;
/// use greenhub::detector::BlockingDetector;
/// use greenhub::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let (reports, received) = std::sync::mpsc::channel();
/// let detector = BlockingDetector::new()
///     .max_blocking_time(Duration::from_millis(20))
///     .on_report(move |report| drop(reports.send(report.elapsed())));
/// let runtime = Runtime::builder().hubs(1).detector(detector).build()?;
/// runtime.run(move || {
///     // The whole thread sleeps: `greenhub::sleep` is what was meant.
///     while received.try_recv().is_err() {
///         std::thread::sleep(Duration::from_millis(1));
///     }
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a detector does nothing until a runtime is built with it"]
pub struct BlockingDetector {
    pub(crate) limit: Duration,
    pub(crate) hook: Option<Hook>,
    pub(crate) isolate: bool,
    pub(crate) deny: bool,
}

impl Default for BlockingDetector {
    fn default() -> BlockingDetector {
        BlockingDetector::new()
    }
}

impl BlockingDetector {
    /// Allows 100 ms, and reports to stderr.
    pub fn new() -> BlockingDetector {
        BlockingDetector {
            limit: DEFAULT,
            hook: None,
            isolate: false,
            deny: false,
        }
    }

    /// How long a greenlet may run without a break: 100 µs at the least. What lasts longer is reported before a quarter more
    /// has passed, if the machine is not too busy for that.
    pub fn max_blocking_time(mut self, limit: Duration) -> BlockingDetector {
        self.limit = limit.max(SHORTEST);
        self
    }

    /// Calls `f` with each report, rather than print it to stderr. It is called on a thread of its own, one report after the
    /// other, so it may take its time: reports that come meanwhile wait, and when very many do some are left out. A panic in
    /// it is caught.
    pub fn on_report(
        mut self,
        f: impl Fn(&BlockingReport) + Send + Sync + 'static,
    ) -> BlockingDetector {
        self.hook = Some(Arc::new(f));
        self
    }

    /// Learns from reports: greenlets that are spawned at the same place as one that was reported start on the compute lane
    /// from then on, where they keep only each other waiting. [`Metrics::blocking_sites`](crate::runtime::Metrics::blocking_sites)
    /// lists such places.
    pub fn isolate(mut self) -> BlockingDetector {
        self.isolate = true;
        self
    }

    /// For tests: [`Runtime::run`](crate::runtime::Runtime::run) panics at its end, with the reports' text, if anything was
    /// reported since the last one ended.
    pub fn deny(mut self) -> BlockingDetector {
        self.deny = true;
        self
    }
}

impl fmt::Debug for BlockingDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingDetector")
            .field("max_blocking_time", &self.limit)
            .field("on_report", &self.hook.as_ref().map(|_| "..."))
            .field("isolate", &self.isolate)
            .field("deny", &self.deny)
            .finish()
    }
}
