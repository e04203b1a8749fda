//! With the feature. The events' target is `greenhub::detector`.

use std::fmt;
use std::time::Duration;

use crate::detector::frame::Frame;
use crate::detector::report::BlockingReport;

/// A report was made.
pub(crate) fn blocked(report: &BlockingReport) {
    tracing::warn!(
        target: "greenhub::detector",
        greenlet = report.greenlet().as_u64().get(),
        name = report.name(),
        spawned_at = %report.spawned_at(),
        hub = report.hub(),
        elapsed_ms = millis(report.elapsed()),
        cause = %report.cause(),
        stranded = report.stranded(),
        longest_wait_ms = millis(report.longest_wait()),
        repeats = report.repeats(),
        isolated = report.is_isolated(),
        stack = %Stack(report.stack()),
        "a greenlet blocks its hub"
    );
}

/// The slice has ended.
pub(crate) fn yielded(report: &BlockingReport, elapsed: Duration) {
    tracing::warn!(
        target: "greenhub::detector",
        greenlet = report.greenlet().as_u64().get(),
        name = report.name(),
        spawned_at = %report.spawned_at(),
        hub = report.hub(),
        elapsed_ms = millis(elapsed),
        "a greenlet that blocked its hub has yielded"
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// On one line.
struct Stack<'a>(&'a [Frame]);

impl fmt::Display for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, frame) in self.0.iter().enumerate() {
            let comma = if depth == 0 { "" } else { ", " };
            write!(f, "{comma}{frame}")?;
        }
        Ok(())
    }
}
