//! A runtime: hubs, their threads, and everything that runs on them.
//!
//! Most programs never name one: [`spawn`](crate::spawn) and [`run`](crate::run) use the global runtime, which starts when
//! it is first needed. A [`Runtime`] of one's own is for tests, for other sizes, and for a shutdown that waits.

mod all_waiting;
mod builder;
mod dump;
mod dump_signal;
mod dump_text;
mod global;
mod handle;
mod instance;
mod metrics;
mod panic_hook;
mod run;
mod stacks;

pub use builder::Builder;
pub use dump::{Dump, GreenletDump, GreenletKind, GreenletState, HubActivity, HubDump, Lane};
pub(crate) use global::current_or_global;
pub use handle::Handle;
pub use instance::Runtime;
pub use metrics::{HubMetrics, Metrics};
pub use run::run;

pub use crate::greenlet::WaitKind;
