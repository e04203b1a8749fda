//! The library's protocols between hubs.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/scheduler/closing.rs"]
pub(crate) mod closing;
#[path = "../../../src/scheduler/idle.rs"]
pub(crate) mod idle;
#[path = "../../../src/scheduler/inbox.rs"]
pub(crate) mod inbox;
#[path = "../../../src/scheduler/running.rs"]
pub(crate) mod running;
#[path = "../../../src/scheduler/survey.rs"]
pub(crate) mod survey;
