//! Names the greenlets that keep a hub to themselves.
//!
//! Greenlets share a thread by giving it back: at every wait, and at [`yield_now`](crate::yield_now). One that computes for long,
//! or calls something that blocks the OS thread, keeps every other greenlet of its hub waiting. The detector watches for
//! that, and says who it was, where, why, and who suffered.
//!
//! # Switching it on
//!
//! | how | what |
//! | --- | --- |
//! | `GREENHUB_MAX_BLOCKING_TIME=100ms` in the environment | for the global runtime and every [`Runtime`](crate::runtime::Runtime) that is not told otherwise; no code is changed. `1.5s`, `250us`, a bare number of milliseconds, and `0` for off |
//! | `GREENHUB_ISOLATE=1` beside it, or alone (then 100 ms are allowed) | [`BlockingDetector::isolate`] |
//! | [`Builder::detector`](crate::runtime::Builder::detector) | in code |
//! | [`BlockingDetector::deny`] | in tests: a run that has blocked a hub panics |
//! | [`BlockingDetector::on_report`] | reports go to a function rather than to stderr |
//! | [`allow_blocking`] | marks what is meant to take long |
//! | the feature `tracing` | reports are events as well, with the target `greenhub::detector` |
//!
//! It is cheap enough to leave on in production: hubs that are watched do hardly more than others, and one thread
//! looks at them, five times in the time that is allowed. While all hubs are idle that thread sleeps.
//!
//! # How to read a report
//!
//! ```text
//! greenhub: blocked: greenlet 'indexer' (#14, spawned at src/main.rs:12:65) has kept hub 0 for 102 ms
//!     cause: it computes
//!     to do: call greenhub::checkpoint() or yield_now() in this loop, or start it with spawn_compute
//!     stranded: 12 ready behind it, the longest for 101 ms
//!       0: app::rebuild_index at src/main.rs:6
//!       1: app::main::{closure#1} at src/main.rs:14
//! greenhub: yielded: greenlet 'indexer' (#14, spawned at src/main.rs:12:65) ran 377 ms
//! ```
//!
//! * **Who.** The greenlet's name, if it has one, its number, and the line that spawned it. Hub 0's thread is called
//!   `greenhub-0`. The time is what it had run for, at the least, when it was reported; it is still at it.
//! * **The cause.** *It computes*: its thread has been using the processor. *It is in the system call `futex`*: it waits
//!   for a std lock, a condition variable, a std channel or a thread; `read`, `recvfrom`, `connect`: for a file or a socket of
//!   std's; `nanosleep` or `clock_nanosleep`: for a `std::thread::sleep`. *Unknown*: it neither ran nor waited when it was looked
//!   at. If that comes often, the machine has more to do than it can.
//! * **What to do.** The usual remedy for that cause. A loop that computes can call [`checkpoint`](crate::checkpoint), which costs
//!   next to nothing; long computations belong on the compute lane
//!   ([`spawn_compute`](crate::spawn_compute)); locks, channels, sockets and sleeps have counterparts in this crate that let the hub go
//!   on; what has none is for another thread.
//! * **The stranded.** How many greenlets could have run on that hub meanwhile, those whose sleep is over included, and the
//!   longest that one of them had waited, at the least. None: it did no harm this time.
//! * **The stack.** Where it was at that moment, the innermost function first. With `debug = "line-tables-only"` in the profile
//!   it has files and lines, without any debug information functions, and in a stripped binary offsets. One that
//!   computes may be somewhere else at the next moment: the loop is often a line or two further out.
//! * **`isolated`**, with [`BlockingDetector::isolate`]: what is spawned on the same line starts on the compute lane from
//!   now on.
//! * **`yielded`** follows when it has given its hub back, with the whole time that it took.
//!
//! `grep 'greenhub: blocked'` finds the first lines. A slice is reported once. The same stack again is counted, and reported the
//! second, fourth, eighth … time, with the count; [`Metrics::blocking_sites`](crate::runtime::Metrics::blocking_sites) has the
//! totals by spawn site.
//!
//! # What it does not see
//!
//! Greenlets of the compute lane: they are meant to compute. And a runtime's `run` may end between the moment when a slice becomes
//! overdue and the next look.

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
mod untold;
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
