//! Hubs, their queues, and how they share the work. README.md beside this file proves that no wake-up is lost.
//!
//! ```text
//!   launch    starts lanes and their threads        spawn     makes greenlets
//!   worker    a hub's loop                          placement the same, for a hub of the spawner's choice
//!   shutdown  a runtime's end, step by step
//!   slice     one slice: the only resume            steal     the search for work elsewhere
//!   schedule  where a greenlet goes when it is ready    help  hubs look after a stuck one
//!   hub       what the hub's thread alone touches
//!   shared, lane, remote                            what others touch: of a runtime, a lane, a hub
//!   census    every greenlet, for a dump             survey    what hubs are asked, and answer
//!   observer  what a detector implements to be told of a runtime's hubs
//!   queue, backlog, inbox, idle, closing, owned, notes, watch, stackless, heartbeat, running, isolation,
//!   question, telling, outside    the parts
//! ```

mod backlog;
mod census;
mod closing;
mod giving_up;
mod heartbeat;
mod help;
mod hopeless;
mod hub;
mod idle;
mod inbox;
mod isolation;
mod lane;
mod launch;
mod notes;
mod observer;
mod outside;
mod owned;
mod placement;
mod question;
mod queue;
mod remote;
mod reserve;
mod running;
mod schedule;
mod shared;
mod shutdown;
mod slice;
mod spawn;
mod stackless;
mod steal;
mod survey;
mod telling;
mod watch;
mod worker;

pub(crate) use census::{Activity, Census, HubState, Listed, Told, take as take_census};
pub(crate) use lane::{Lane, LaneKind};
pub(crate) use launch::start;
pub(crate) use observer::Observer;
pub(crate) use placement::spawn_on;
pub(crate) use remote::Remote;
pub(crate) use shared::{Config, Shared};
pub(crate) use spawn::{
    Options, excuse_current_slice, is_hub_of, runs_in, spawn, spawn_local, with_current_runtime,
};
