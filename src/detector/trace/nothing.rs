//! Without the feature.

use std::time::Duration;

use crate::detector::report::BlockingReport;

/// A report was made.
pub(crate) fn blocked(_report: &BlockingReport) {}

/// The slice has ended.
pub(crate) fn yielded(_report: &BlockingReport, _elapsed: Duration) {}
