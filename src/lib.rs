//! Plain sequential code, a greenlet per activity, on every core.
//!
//! A *greenlet* is a green thread with a stack of its own. It costs a page of memory and some hundred nanoseconds to make,
//! so a program can have a million. Several OS threads, each running a *hub*, share the work: fresh greenlets are stolen
//! by whichever hub is idle. What waits, waits cooperatively: while a greenlet sleeps, reads from a socket or joins
//! another, its hub runs others.
//!
//! ```
//! use std::time::Duration;
//!
//! let answers = greenhub::run(|| {
//!     let questions = (1..=3).map(|i| {
//!         greenhub::spawn(move || {
//!             greenhub::sleep(Duration::from_millis(10));
//!             i * 14
//!         })
//!     });
//!     greenhub::join_all(questions)
//! });
//! assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<i32>>(), [14, 28, 42]);
//! ```
//!
//! # Two promises about threads
//!
//! A greenlet from [`spawn`] is *settled* once it has run: it stays on its OS thread, so thread-locals and whatever else
//! belongs to a thread are safe to use, with the two exceptions [below](#what-to-keep-out-of-greenlets). Nothing `unsafe` is asked of
//! you. [`spawn_migrating`] makes one that moves to an
//! idle core at any wait; what it must promise for that, its documentation lists.
//!
//! # Two lanes
//!
//! A greenlet that computes for long keeps the others of its hub waiting. [`spawn_compute`] puts it on the *compute lane*,
//! hubs of its own that share the cores with the *main lane* by the operating system's grace; [`checkpoint`] is for loops
//! that stay.
//!
//! # Who blocks a hub
//!
//! The [`detector`] names the greenlet that keeps its hub to itself, with the line where it is stuck: run any program with
//! `GREENHUB_MAX_BLOCKING_TIME=100ms`. [`Runtime::dump`](runtime::Runtime::dump) lists what all the others wait for.
//!
//! # Features
//!
//! * `stacks` (on by default): reports and dumps show stacks. Without it a few dependencies less, and everything else.
//! * `tracing`: the detector's reports are `tracing` events, too.
//!
//! # What to keep out of greenlets
//!
//! * Calls that block the OS thread, such as `std::thread::sleep`: they stop the whole hub. Use this crate's, or [`offload()`]
//!   them.
//! * A std lock held across a wait: another greenlet of the same hub that wants it blocks the thread that would release it.
//! * A `thread_local!` whose initialiser waits: **undefined behaviour**, in safe code. The greenlets of a hub share its thread's variables, and
//!   another one that uses the variable meanwhile makes its value, too; std drops one of the two while there are references to
//!   it. Nothing can prevent or notice that. [`greenlet_local!`] gives each greenlet its own.
//! * Crates that set a thread-local around a closure and restore it after, such as `scoped-tls`, if the closure waits: **undefined
//!   behaviour** as well. Two greenlets that do so by turns leave each other's pointers behind.
//! * Waits in destructors that run while something unwinds: a panic, a kill, or a time limit. A lock, a send, a join, and the flush
//!   of a `BufWriter` over a socket are waits. Such a greenlet cannot park and blocks its hub, for ever if whoever could end the wait
//!   is settled there. The [`detector`] tells; of a lock whose holder is there at once.
//! * `fork` without `exec`: the child has one thread, and none of the hubs.

// The protocols alone are modelled: stack switches, pollers and signals are beyond loom.
#![cfg(not(greenhub_loom))]

pub mod channel;
mod context;
mod current;
pub mod detector;
mod driver;
mod fiber;
mod future;
mod greenlet;
mod local;
pub mod net;
mod offload;
pub mod pool;
mod primitive;
pub mod runtime;
mod scheduler;
mod spawn;
pub mod sync;
pub mod time;
mod wait;

pub use current::{current, try_current};
pub use future::block_on;
pub use greenlet::{Greenlet, GreenletId, JoinError};
pub use local::{AccessError, LocalKey};
pub use offload::offload;
pub use runtime::run;
pub use spawn::{
    AsCompleted, Builder, Scope, ScopedJoinHandle, as_completed, join_all, scope, spawn,
    spawn_after, spawn_compute, spawn_local, spawn_migrating,
};
pub use time::{Elapsed, sleep, sleep_until, timeout};
pub use wait::{
    JoinHandle, Killed, LocalJoinHandle, catch_kill, checkpoint, park_for_permit as park,
    park_timeout, shield, yield_now,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
