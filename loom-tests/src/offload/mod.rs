//! Where the result of an offloaded call meets whoever waits for it.

#[path = "../../../src/offload/outcome.rs"]
mod outcome;

pub(crate) use outcome::Outcome;
