//! Waiting for a point in time.

mod sleep;

pub use sleep::{sleep, sleep_until};
