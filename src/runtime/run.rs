//! Running a closure as a greenlet and waiting for it.

use std::panic::{Location, resume_unwind};

use super::all_waiting::{INTERVAL, Seen, Watch};
use super::global::current_or_global;
use super::instance::Runtime;
use crate::detector::{self, Watchdog};
use crate::greenlet::JoinError;
use crate::primitive::sync::Arc;
use crate::scheduler::{self, Options, Shared};
use crate::wait::{JoinHandle, Shield, in_greenlet};

/// Runs `f` as a greenlet of the global runtime, and waits for it: the calling OS thread blocks. Called inside a greenlet,
/// it just runs `f` there.
///
/// `f` may borrow, since `run` does not return before it has ended. Greenlets that it spawned and did not join run on.
///
/// ```
/// let mut answer = 0;
/// greenhub::run(|| {
///     answer = greenhub::spawn(|| 42).join().unwrap();
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
///
/// With `f`'s panic, if it panics; or if the global runtime cannot be started.
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if in_greenlet() {
        return f();
    }
    let shared = current_or_global(Arc::clone);
    let _reports = Reports(&shared);
    run_in(&shared, f)
}

/// Waits, when it is dropped, for the reports of a detector that are being written: nobody ends the global runtime, and the
/// process may be about to end.
struct Reports<'a>(&'a Shared);

impl Drop for Reports<'_> {
    fn drop(&mut self) {
        if let Some(watchdog) = detector::of(self.0) {
            watchdog.wait_until_told();
        }
    }
}

impl Runtime {
    /// Runs `f` as a greenlet of this runtime, and waits for it; meanwhile the calling OS thread blocks, or the calling
    /// greenlet, if it is another runtime's, parks. In a greenlet of this very runtime it just runs `f`.
    ///
    /// # Panics
    ///
    /// With `f`'s panic, if it panics; or if `f` was killed, or no greenlet could be spawned; or, after `f`, if the runtime's
    /// detector [denies](crate::detector::BlockingDetector::deny) blocking, and has seen some.
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        run_in(self.shared(), f)
    }
}

#[track_caller]
fn run_in<F, T>(shared: &Arc<Shared>, f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if scheduler::runs_in(shared) {
        return f();
    }
    // SAFETY: `f` and `T` are `Send`, and what they borrow outlives this function, which waits for the greenlet's end:
    // shielded, so that no kill of the caller unwinds the wait.
    let spawned = unsafe { scheduler::spawn(shared, Options::PLAIN, Location::caller(), f) };
    let joined = match spawned {
        Ok(joined) => joined,
        Err(error) => panic!("could not spawn the main greenlet: {error}"),
    };
    let shield = Shield::raise();
    let result = join(shared, JoinHandle::new(joined));
    drop(shield);
    // Taken whatever the result is, so that the next run answers for itself alone.
    let verdict = detector::of(shared).and_then(Watchdog::take_verdict);
    match result {
        Ok(value) => {
            if let Some(text) = verdict {
                panic!(
                    "a greenlet has blocked its hub, which the detector was told to deny:\n{text}"
                );
            }
            value
        }
        Err(error) => match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(killed) => panic!("{killed} before it had a value to return"),
        },
    }
}

/// Joins the main greenlet. An OS thread that waits for it in a runtime with a detector looks now and then whether everything
/// waits.
#[track_caller]
fn join<T>(shared: &Arc<Shared>, mut main: JoinHandle<T>) -> Result<T, JoinError> {
    // Not within a closure, which would be its own caller.
    let caller = Location::caller();
    if in_greenlet() {
        return main.join();
    }
    let Some(mut watch) = Watch::begin(shared, caller) else {
        return main.join();
    };
    loop {
        match main.join_timeout(INTERVAL) {
            Ok(result) => return result,
            Err(waiting) => main = waiting,
        }
        if watch.look() == Seen::Reported {
            return main.join();
        }
    }
}
