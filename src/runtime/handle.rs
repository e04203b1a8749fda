//! A reference to a runtime.

use std::fmt;
use std::panic::Location;

use super::dump::Dump;
use super::global::current_or_global;
use super::instance::Runtime;
use super::metrics::Metrics;
use crate::primitive::sync::Arc;
use crate::scheduler::{self, LaneKind, Options, Shared};
use crate::wait::JoinHandle;

/// A reference to a [`Runtime`](super::Runtime), to spawn into it from anywhere. It does not keep the runtime from being
/// shut down: a greenlet that is spawned after that is killed at once.
///
/// ```
/// use greenhub::runtime::{Handle, Runtime};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let handle = runtime.handle();
/// let thread = std::thread::spawn(move || handle.spawn(|| "from another thread").join());
/// assert_eq!(thread.join().unwrap().unwrap(), "from another thread");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn of(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// The runtime of the current greenlet; outside of greenlets, the global one.
    ///
    /// # Panics
    ///
    /// If the global runtime has to be started and cannot be.
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle::of(current_or_global(Arc::clone))
    }

    /// Spawns a greenlet in this runtime: see [`spawn`](crate::spawn).
    ///
    /// # Panics
    ///
    /// If no greenlet can be spawned: too many are alive, or no stack can be had.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(LaneKind::Main, f)
    }

    /// Spawns a greenlet on this runtime's compute lane: see [`spawn_compute`](crate::spawn_compute).
    ///
    /// # Panics
    ///
    /// As [`Handle::spawn`], or if the compute lane cannot be started.
    #[track_caller]
    pub fn spawn_compute<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(LaneKind::Compute, f)
    }

    #[track_caller]
    fn spawn_with<F, T>(&self, lane: LaneKind, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let options = Options {
            lane,
            ..Options::PLAIN
        };
        // SAFETY: the bounds above.
        let spawned = unsafe { scheduler::spawn(&self.shared, options, Location::caller(), f) };
        match spawned {
            Ok(joined) => JoinHandle::new(joined),
            Err(error) => panic!("could not spawn a greenlet: {error}"),
        }
    }

    /// What the runtime's hubs have done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.shared)
    }

    /// What the runtime's greenlets and hubs are at: see [`Runtime::dump`](super::Runtime::dump).
    #[must_use]
    #[track_caller]
    pub fn dump(&self) -> Dump {
        Dump::of(&self.shared)
    }
}

impl Runtime {
    /// Spawns a greenlet in this runtime: see [`spawn`](crate::spawn).
    ///
    /// # Panics
    ///
    /// If no greenlet can be spawned.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.handle().spawn(f)
    }

    /// A reference to this runtime that can be cloned and sent anywhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of(Arc::clone(self.shared()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("metrics", &self.metrics())
            .finish()
    }
}
