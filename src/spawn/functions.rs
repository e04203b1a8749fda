//! `spawn` and its sisters.

use std::io;
use std::panic::Location;
use std::time::Duration;

use crate::greenlet::Joined;
use crate::runtime::current_or_global;
use crate::scheduler::{self, LaneKind, Options};
use crate::wait::{JoinHandle, LocalJoinHandle, deadline_after};

/// Spawns a greenlet in the current greenlet's runtime; outside of greenlets, in the global one, which starts when it is
/// first needed, with one hub a core (or as many as `GREENHUB_HUBS` says).
///
/// Until it first runs, any hub of the main lane may steal it. Once it has run it is *settled*: it stays on that hub's OS
/// thread, so its thread-locals and whatever else belongs to a thread stay with it.
///
/// ```
/// greenhub::run(|| {
///     let handles: Vec<_> = (0..3).map(|i| greenhub::spawn(move || i * 10)).collect();
///     let values: Vec<i32> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
///     assert_eq!(values, [0, 10, 20]);
/// });
/// ```
///
/// # Panics
///
/// If no greenlet can be spawned, because too many are alive or no stack can be had;
/// [`Builder::spawn`](crate::Builder::spawn) returns an error instead.
#[track_caller]
#[inline]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: the bounds above; it does not migrate.
    JoinHandle::new(unsafe { spawned(Options::PLAIN, Location::caller(), f) })
}

/// Spawns a greenlet for CPU-bound work, on the compute lane: as many hubs again as the main lane, whose threads start at
/// the first use. The operating system shares the cores between the lanes, so greenlets on the main lane stay responsive
/// however long this one computes.
///
/// ```
/// let sum = greenhub::run(|| greenhub::spawn_compute(|| (1..=1_000_000_u64).sum::<u64>()).join().unwrap());
/// assert_eq!(sum, 500_000_500_000);
/// ```
///
/// # Panics
///
/// As [`spawn`], and if the compute lane's threads cannot be started.
#[track_caller]
pub fn spawn_compute<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let options = Options {
        lane: LaneKind::Compute,
        ..Options::PLAIN
    };
    // SAFETY: the bounds above; it does not migrate.
    JoinHandle::new(unsafe { spawned(options, Location::caller(), f) })
}

/// Spawns a greenlet that begins after `delay`. Until then it can be killed or joined like any other.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let began = Instant::now();
/// let later = greenhub::spawn_after(Duration::from_millis(5), Instant::now);
/// assert!(later.join().unwrap() >= began + Duration::from_millis(5));
/// ```
///
/// # Panics
///
/// As [`spawn`].
#[track_caller]
pub fn spawn_after<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // Beyond the clock's end: in thirty years, which nobody will live to see the end of.
    let start_at =
        deadline_after(delay).or_else(|| deadline_after(Duration::from_secs(1_000_000_000)));
    let options = Options {
        start_at,
        ..Options::PLAIN
    };
    // SAFETY: the bounds above; it does not migrate.
    JoinHandle::new(unsafe { spawned(options, Location::caller(), f) })
}

/// Spawns a greenlet on the very hub that the caller runs on, so the closure and its value need not be `Send`: it can
/// share an `Rc` with the caller.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// greenhub::run(|| {
///     let log = Rc::new(RefCell::new(Vec::new()));
///     let writer = greenhub::spawn_local({
///         let log = Rc::clone(&log);
///         move || log.borrow_mut().push("written")
///     });
///     writer.join().unwrap();
///     assert_eq!(*log.borrow(), ["written"]);
/// });
/// ```
///
/// Only this function takes such closures:
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(5);
/// greenhub::spawn(move || *shared);
/// ```
///
/// # Panics
///
/// Outside of greenlets, and as [`spawn`].
#[track_caller]
pub fn spawn_local<F, T>(f: F) -> LocalJoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    // SAFETY: the bounds above; the handle is not `Send`, so neither closure nor value leaves this thread.
    match unsafe { scheduler::spawn_local(Location::caller(), f) } {
        Some(Ok(joined)) => LocalJoinHandle::new(joined),
        Some(Err(error)) => refuse(&error),
        None => panic!("spawn_local was called outside of greenlets: there is no hub to stay on"),
    }
}

/// Spawns a greenlet that any hub may steal *whenever* it is ready, not only before it first runs. It moves to an idle
/// core where a settled greenlet would wait for its own.
///
/// ```
/// let handle = unsafe {
///     // SAFETY: nothing in the closure belongs to a thread.
///     greenhub::spawn_migrating(|| {
///         greenhub::yield_now();
///         6 * 7
///     })
/// };
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
///
/// # Safety
///
/// The greenlet may run on another OS thread after any call that waits or yields. So `f`, and everything that it calls,
/// must keep across such a call
///
/// * no value that belongs to a thread: nothing that is not `Send` (an `Rc`, a guard of a std lock, `rand::rng()`'s
///   handle, a `tracing` span's entered guard), and no reference to one;
/// * no reference into a `thread_local!`: no such call within `LocalKey::with`;
/// * no assumption that a `thread_local!` is the same before and after. The compiler makes that assumption by itself
///   within one function into which both uses are inlined: a release build was seen to write the *old* thread's variable
///   after a move. So code that uses a thread-local, `HashMap::new()` and `println!` among it, must not be inlined
///   together with the wait: put one or the other into an `#[inline(never)]` function.
///
/// The calls that wait or yield are those that may park, and [`yield_now`](crate::yield_now), [`checkpoint`](crate::checkpoint), and every
/// question or attempt of this crate that a loop may repeat, when it has failed: `try_lock`, `try_recv`, `try_send`, `is_finished`,
/// `is_empty` and their like give way when the slice has lasted for too long.
///
/// The first covers the values of [`greenlet_local!`](crate::greenlet_local), which move with it. While it unwinds it does
/// not move.
///
/// # Panics
///
/// As [`spawn`].
#[track_caller]
pub unsafe fn spawn_migrating<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let options = Options {
        migrating: true,
        ..Options::PLAIN
    };
    // SAFETY: the bounds above, and the caller's promise.
    JoinHandle::new(unsafe { spawned(options, Location::caller(), f) })
}

/// # Safety
///
/// As [`scheduler::spawn`].
#[track_caller]
#[inline]
unsafe fn spawned<F, T>(options: Options, place: &'static Location<'static>, f: F) -> Joined<T>
where
    F: FnOnce() -> T,
{
    // SAFETY: as the caller says.
    match current_or_global(|shared| unsafe { scheduler::spawn(shared, options, place, f) }) {
        Ok(joined) => joined,
        Err(error) => refuse(&error),
    }
}

#[cold]
#[track_caller]
fn refuse(error: &io::Error) -> ! {
    panic!("could not spawn a greenlet: {error}")
}
