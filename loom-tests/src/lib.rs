//! Models of greenhub's protocols, checked by loom. README.md beside this crate says how to read and run them.
#![cfg(test)]

mod bell;
mod models;

/// The production files that are modelled, under their own names: they say `crate::primitive`, and so does the library.
#[path = "../../src/primitive/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the models use a part of each file"
)]
mod primitive;

mod channel;
mod detector;
mod driver;
mod greenlet;
mod net;
mod offload;
mod pool;
mod scheduler;
mod sync;
mod wait;
