//! The library's protocols of one greenlet's life.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/greenlet/join_cell.rs"]
pub(crate) mod join_cell;
#[path = "../../../src/greenlet/state.rs"]
pub(crate) mod state;
