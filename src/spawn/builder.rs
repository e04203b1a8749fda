//! A greenlet with a name, a stack size, a lane.

use std::io;
use std::panic::Location;

use super::scope::{Scope, ScopedJoinHandle};
use crate::fiber::StackSize;
use crate::runtime::current_or_global;
use crate::scheduler::{self, LaneKind, Options};
use crate::wait::JoinHandle;

/// Spawns a greenlet that is more than plain, as [`std::thread::Builder`] does a thread.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let handle = greenhub::Builder::new()
///     .name(String::from("parser"))
///     .stack_size(1024 * 1024)
///     .spawn(|| greenhub::current().name().map(str::to_owned))?;
/// assert_eq!(handle.join().unwrap().as_deref(), Some("parser"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    compute: bool,
    migrating: bool,
}

impl Builder {
    /// A plain greenlet: no name, the runtime's stack size, the main lane, settled.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Its name, in panic messages, in reports, and by [`Greenlet::name`](crate::Greenlet::name).
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// The size of its stack in bytes, from 16 KiB to 1 GiB, rounded up to a power of two, and to 64 KiB at least: so much needs a
    /// panic that prints a backtrace, which on a smaller stack would end the process. It is address space: memory is used page by
    /// page, as the stack is.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs it on the compute lane: see [`spawn_compute`](crate::spawn_compute).
    pub fn compute(mut self) -> Builder {
        self.compute = true;
        self
    }

    /// Lets any hub steal it whenever it is ready: see [`spawn_migrating`](crate::spawn_migrating).
    ///
    /// # Safety
    ///
    /// What is spawned must keep the promises that [`spawn_migrating`](crate::spawn_migrating) lists.
    pub unsafe fn migrating(mut self) -> Builder {
        self.migrating = true;
        self
    }

    /// Spawns it in the current greenlet's runtime; outside of greenlets, in the global one.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the stack size is out of its range, `WouldBlock` if as many greenlets are alive as
    /// [`max_greenlets`](crate::runtime::Builder::max_greenlets) allows, `OutOfMemory` if no stack can be mapped, and what
    /// the operating system says if the compute lane cannot be started. Nothing runs then, and `f` is dropped.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let place = Location::caller();
        let options = self.options()?;
        // SAFETY: the bounds above; for a migrating greenlet the caller of `migrating` has promised the rest.
        current_or_global(|shared| unsafe { scheduler::spawn(shared, options, place, f) })
            .map(JoinHandle::new)
    }

    /// Spawns it in a scope: it may borrow, as with [`Scope::spawn`].
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let words = ["plain", "sequential"];
    /// let count = greenhub::scope(|s| {
    ///     let counter = greenhub::Builder::new()
    ///         .name(String::from("counter"))
    ///         .spawn_scoped(s, || words.iter().map(|word| word.len()).sum::<usize>())?;
    ///     Ok::<_, std::io::Error>(counter.join().unwrap())
    /// })?;
    /// assert_eq!(count, 15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::spawn`].
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.spawn_with(self.options()?, Location::caller(), f)
    }

    fn options(self) -> io::Result<Options> {
        Ok(Options {
            name: self.name.map(String::into_boxed_str),
            stack_size: self.stack_size.map(StackSize::new).transpose()?,
            lane: if self.compute {
                LaneKind::Compute
            } else {
                LaneKind::Main
            },
            migrating: self.migrating,
            start_at: None,
        })
    }
}
