//! The ways to make a greenlet, and to wait for many.

mod as_completed;
mod builder;
mod functions;
mod join_all;
mod scope;

pub use as_completed::{AsCompleted, as_completed};
pub use builder::Builder;
pub use functions::{spawn, spawn_after, spawn_compute, spawn_local, spawn_migrating};
pub use join_all::join_all;
pub use scope::{Scope, ScopedJoinHandle, scope};
