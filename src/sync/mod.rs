//! Locks and what else greenlets and OS threads coordinate with: std's and parking_lot's names, waiting cooperatively.
//!
//! | file | what |
//! | --- | --- |
//! | `mutex`, `rwlock`, `semaphore` | the public types |
//! | `mutex_core`, `rwlock_core`, `semaphore_core` | their protocols, which `loom-tests` models |
//! | `condvar`, `barrier`, `event`, `once`, `lazy` | what it says |
//! | `owner` | finds a lock that is taken twice, or waited for in vain |
//! | `polling` | a `try_lock` in a loop lets others run |
//!
//! A lock of this module may be held across a wait, and everything here works in greenlets and on OS threads. A kill or a
//! [`timeout`](crate::timeout) that breaks a wait off leaves the primitive usable, and loses nothing that was given already.

mod barrier;
mod condvar;
mod event;
mod lazy;
mod mutex;
mod mutex_core;
mod once;
mod owner;
mod polling;
mod rwlock;
mod rwlock_core;
mod semaphore;
mod semaphore_core;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use lazy::LazyLock;
pub use mutex::{
    Callers, MappedMutexGuard, Mutex, MutexGuard, RawMutex, ReentrantMutex, ReentrantMutexGuard,
};
pub use once::{Once, OnceLock};
pub use rwlock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RawRwLock, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
