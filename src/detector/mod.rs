//! Names the greenlets that keep a hub to themselves.

mod allow;
mod capture;
mod cause;
mod config;
mod diagnosis;
mod dumped;
mod environment;
mod frame;
mod repeats;
mod report;
mod reporter;
mod sites;
mod slumber;
mod syscalls;
mod trace;
mod verdicts;
mod watch;
mod watchdog;

pub use allow::allow_blocking;
pub use cause::Cause;
pub use config::BlockingDetector;
pub(crate) use dumped::stack_of_suspended;
pub(crate) use environment::from_environment;
pub use frame::Frame;
pub use report::BlockingReport;
pub use sites::BlockingSite;
pub(crate) use watchdog::{Watchdog, of};
