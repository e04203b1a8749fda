//! Waiting for a point in time.

mod sleep;
mod timeout;

pub use sleep::{sleep, sleep_until};
pub use timeout::{Elapsed, timeout};
