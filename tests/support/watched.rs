//! Runtimes whose blocking detector tells the test what it has found.

use std::sync::mpsc::{self, Receiver};

use greenhub::detector::{BlockingDetector, BlockingReport};
use greenhub::runtime::Runtime;

/// A runtime of so many hubs with this detector, and what that reports.
pub(crate) fn watched(
    hubs: usize,
    detector: BlockingDetector,
) -> (Runtime, Receiver<BlockingReport>) {
    let (reports, received) = mpsc::channel();
    let detector = detector.on_report(move |report| {
        // The test may have seen enough.
        let _ = reports.send(report.clone());
    });
    let runtime = Runtime::builder().hubs(hubs).detector(detector).build();
    (runtime.expect("the runtime starts"), received)
}
