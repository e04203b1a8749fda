//! How the greenlets of groups and pools are spawned.

use std::panic::Location;

use crate::runtime::current_or_global;
use crate::scheduler::{self, Options};
use crate::wait::JoinHandle;

/// As [`spawn`](crate::spawn), from there.
pub(super) fn spawn<F, T>(place: &'static Location<'static>, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: the bounds above; it does not migrate.
    let spawned =
        current_or_global(|shared| unsafe { scheduler::spawn(shared, Options::PLAIN, place, f) });
    match spawned {
        Ok(joined) => JoinHandle::new(joined),
        Err(error) => panic!("could not spawn a greenlet: {error}"),
    }
}
