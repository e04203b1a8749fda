//! The words that everything above is spelled in: std's, or loom's under `cfg(greenhub_loom)`.
//!
//! Every layer may use this one. No other file names `std::sync::atomic` or loom, so that whatever is built from
//! these types can be put before the model checker with its production code.

#[cfg(not(greenhub_loom))]
mod std_impl;
#[cfg(not(greenhub_loom))]
pub(crate) use std_impl::*;

#[cfg(greenhub_loom)]
mod loom_impl;
#[cfg(greenhub_loom)]
pub(crate) use loom_impl::*;
