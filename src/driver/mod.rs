//! What a hub waits with when no greenlet is ready: its poller, the sockets registered there, its timers.
//!
//! A hub owns one [`Driver`], and blocks in it. Sockets (`net`) register with the driver of the hub on which they first
//! have to wait, and stay there until they are waited for in another lane; waits with a deadline arm a timer. This layer
//! wakes greenlets, it does not know what runs them.
//!
//! ```text
//!   reactor         Driver: one of each, and the loop's side of them
//!   registration    a socket's side of a Driver
//!   poller          epoll's descriptor waited on directly, or the `polling` crate: the only file that names it
//!   epoll, no_epoll the direct way, and its absence on other systems
//!   slots           event key -> socket, with generations
//!   readiness       one direction of one socket: ready or not, who waits. Pure: modelled with loom
//!   timers, heap    what is to happen when. Pure: modelled with loom
//! ```

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_epoll.rs"]
mod epoll;
mod event;
mod fire;
mod heap;
mod poller;
mod reactor;
mod readiness;
mod registration;
mod slots;
mod timers;

pub(crate) use fire::Fire;
pub(crate) use reactor::{Driver, Events, LaneId};
pub(crate) use readiness::{Cleared, Enrolled, Readiness, Seen, WaiterId};
pub(crate) use registration::{Direction, Registration};
pub(crate) use timers::TimerKey;
