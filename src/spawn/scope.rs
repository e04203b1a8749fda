//! Greenlets that borrow: std's scoped threads.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::context;
use crate::greenlet::{Greenlet, GreenletId, JoinError, Unparker, WaitKind, discard, is_kill};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::{Arc, Mutex};
use crate::runtime::current_or_global;
use crate::scheduler::{self, Options};
use crate::wait::{self, JoinHandle, Shield};

/// Runs `f`, which may spawn greenlets that borrow from outside the scope, and waits for all of them: the shape, and the
/// rules, of [`std::thread::scope`].
///
/// ```
/// let mut numbers = vec![1, 2, 3];
/// let mut sum = 0;
/// greenhub::scope(|s| {
///     s.spawn(|| sum = numbers.iter().sum());
/// });
/// numbers.push(sum);
/// assert_eq!(numbers, [1, 2, 3, 6]);
/// ```
///
/// What the greenlets borrow must outlive the scope:
///
/// ```compile_fail,E0373
/// greenhub::scope(|s| {
///     let local = 5;
///     s.spawn(|| println!("{local}"));
/// });
/// ```
///
/// If the caller is killed meanwhile, that is delivered after the scope's greenlets have ended.
///
/// # Panics
///
/// With `f`'s panic, if it panics. Otherwise if a greenlet panicked that was not joined by hand.
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let running = Arc::new(Running {
        count: AtomicUsize::new(0),
        panicked: Mutex::new(Vec::new()),
        owner: wait::current_unparker(),
    });
    let scope = Scope {
        running,
        scope: PhantomData,
        env: PhantomData,
    };
    // Whatever ends `f`, even a kill: what the greenlets borrow must stay until they have ended. So the unwinding is
    // caught, the wait shielded, and the unwinding resumed.
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let shield = Shield::raise();
    // Acquire pairs with the release in `Member::drop`: all that the greenlets did comes before what follows.
    while scope.running.count.load(Ordering::Acquire) != 0 {
        wait::park(WaitKind::Scope, None);
    }
    drop(shield);
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(value) if !scope.running.panicked.lock().is_empty() => {
            // Before the unwinding, in which its destructor must not wait.
            drop(value);
            panic!("a scoped greenlet panicked")
        }
        Ok(value) => value,
    }
}

/// Where scoped greenlets are spawned: see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    running: Arc<Running>,
    /// Invariant in both, as std's: a scope must not be taken for a longer or a shorter one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// The scope's greenlets that have not ended.
struct Running {
    count: AtomicUsize,
    /// Those that have panicked and have not been joined by hand.
    panicked: Mutex<Vec<GreenletId>>,
    owner: Unparker,
}

/// Counts one greenlet of a scope until it is dropped, with whatever it borrowed gone before it.
struct Member(Arc<Running>);

impl Member {
    fn join(running: &Arc<Running>) -> Member {
        // Relaxed: the scope's owner, or a greenlet that counts itself, is adding.
        running.count.fetch_add(1, Ordering::Relaxed);
        Member(Arc::clone(running))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Release) == 1 {
            self.0.owner.unpark();
        }
    }
}

/// A greenlet's closure and its membership; dropped in this order, as everything that may borrow must be gone before the
/// scope can end.
struct Task<F> {
    f: F,
    member: Member,
}

impl<F> Task<F> {
    /// The value carries the membership on, because it may borrow, too.
    fn run<T>(self) -> (T, Member)
    where
        F: FnOnce() -> T,
    {
        let Task { f, member } = self;
        // Its locals are dropped here, not after: a destructor's panic is the greenlet's, too.
        match catch_unwind(AssertUnwindSafe(|| drop_locals_after(f))) {
            Ok(value) => (value, member),
            Err(payload) => {
                if !is_kill(&*payload) {
                    let id = context::greenlet_handle().map(|greenlet| greenlet.id());
                    member.0.panicked.lock().extend(id);
                }
                drop(member);
                resume_unwind(payload)
            }
        }
    }
}

/// Runs `f` and then drops the greenlet's locals, as would happen anyway, but within reach of the scope.
fn drop_locals_after<T>(f: impl FnOnce() -> T) -> T {
    let value = f();
    match context::drop_locals() {
        Ok(()) => value,
        Err(failure) => {
            if let Err(second) = discard(value) {
                second.ignore();
            }
            failure.resume()
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a greenlet that may borrow whatever outlives the scope. The scope waits for it, joined or not.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        match self.spawn_with(Options::PLAIN, Location::caller(), f) {
            Ok(handle) => handle,
            Err(error) => panic!("could not spawn a scoped greenlet: {error}"),
        }
    }

    /// The same with options, and an error instead of a panic.
    pub(super) fn spawn_with<F, T>(
        &'scope self,
        options: Options,
        place: &'static Location<'static>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let task = Task {
            f,
            member: Member::join(&self.running),
        };
        // SAFETY: all is `Send`, and the scope does not end before closure and value are gone: each is dropped before
        // the membership that goes with it. For a migrating greenlet the caller of `migrating` has promised the rest.
        let spawned = current_or_global(|shared| unsafe {
            scheduler::spawn(shared, options, place, move || task.run())
        });
        spawned.map(|joined| ScopedJoinHandle {
            handle: JoinHandle::new(joined),
            running: Arc::clone(&self.running),
            scope: PhantomData,
        })
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.running.count.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The right to a scoped greenlet's value: [`JoinHandle`] for [`Scope::spawn`].
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<(T, Member)>,
    running: Arc<Running>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the greenlet's end, and returns its value. A panic that is returned here no longer makes the scope panic.
    ///
    /// # Errors
    ///
    /// If the greenlet panicked or was killed.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let result = self.handle.join();
        Self::received(&self.running, result)
    }

    /// As [`ScopedJoinHandle::join`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the handle back if the greenlet has not ended by then.
    #[track_caller]
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        let ScopedJoinHandle {
            handle,
            running,
            scope,
        } = self;
        match handle.join_timeout(timeout) {
            Ok(result) => Ok(Self::received(&running, result)),
            Err(handle) => Err(ScopedJoinHandle {
                handle,
                running,
                scope,
            }),
        }
    }

    fn received(running: &Running, result: Result<(T, Member), JoinError>) -> Result<T, JoinError> {
        match result {
            Ok((value, _member)) => Ok(value),
            Err(error) => {
                running
                    .panicked
                    .lock()
                    .retain(|id| *id != error.greenlet().id());
                Err(error)
            }
        }
    }

    /// The greenlet has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The greenlet itself.
    #[must_use]
    pub fn greenlet(&self) -> &Greenlet {
        self.handle.greenlet()
    }

    /// Asks the greenlet to end: see [`Greenlet::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(self.greenlet())
            .finish()
    }
}
