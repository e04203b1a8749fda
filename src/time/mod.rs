//! Waiting for a point in time.

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{sleep, sleep_until};
pub use timeout::{Elapsed, timeout};
