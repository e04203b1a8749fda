//! What a greenlet is: its one allocation, its life, its end, its names.
//!
//! Everything that schedules, waits or reports works on these types. This layer knows neither hubs nor pollers: a
//! greenlet that becomes ready is handed to its [`Schedule`], which the scheduler implements.

mod blocked;
mod body;
mod delay;
mod details;
mod discard;
mod ending;
mod error;
mod failure;
mod handle;
mod header;
mod hopeless;
mod id;
mod interrupts;
mod join_cell;
mod kill;
mod local;
mod moment;
mod place;
mod spawn;
mod state;
mod unparker;
mod wait_info;

pub(crate) use blocked::block_thread;
pub(crate) use body::{Joined, JoinedCore, allocate};
pub(crate) use details::{Details, Image};
pub(crate) use discard::discard;
pub use error::JoinError;
pub(crate) use failure::Failure;
pub use handle::Greenlet;
pub(crate) use header::{Header, Ready, Schedule};
pub(crate) use hopeless::Hopeless;
pub use id::GreenletId;
pub(crate) use id::IdBlock;
pub(crate) use interrupts::{Alert, Interrupt, Interrupts, TimeLimit};
pub(crate) use join_cell::Completed;
pub(crate) use kill::{deliver as deliver_by_unwinding, is_expiry_of, is_kill};
pub(crate) use local::Locals;
pub(crate) use moment::Moment;
pub(crate) use place::AtomicPlace;
pub(crate) use spawn::Spawn;
pub(crate) use state::{Commit, Phase, Start};
pub(crate) use unparker::{Unparker, wakes_greenlet};
pub use wait_info::WaitKind;
