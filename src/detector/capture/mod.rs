//! What a hub's thread is doing, and copies of stacks: of the greenlet that it is stuck in, and of suspended ones.
//!
//! Linux on x86_64 and aarch64 has them (`linux`). Elsewhere (`none`) nobody knows what a thread does, and there are no
//! stacks; reports have everything else.

mod activity;
mod probe;

pub(crate) use activity::Activity;
pub(crate) use probe::SliceProbe;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use linux::{Snapshot, Target, resolve, suspended};

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod none;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) use none::{Snapshot, Target, resolve, suspended};
