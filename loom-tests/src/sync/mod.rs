//! The library's protocols of locks.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/sync/mutex_core.rs"]
pub(crate) mod mutex_core;
#[path = "../../../src/sync/rwlock_core.rs"]
pub(crate) mod rwlock_core;
#[path = "../../../src/sync/semaphore_core.rs"]
pub(crate) mod semaphore_core;
