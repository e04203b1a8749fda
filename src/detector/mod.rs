//! Names the greenlets that keep a hub to themselves.

mod capture;
mod cause;
mod config;
mod frame;
mod report;
mod syscalls;

pub use cause::Cause;
pub use config::BlockingDetector;
pub use frame::Frame;
pub use report::BlockingReport;
