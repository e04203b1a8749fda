//! The call that is offloaded.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::outcome::Outcome;
use super::pool::{Pool, Submitted};
use crate::context;
use crate::greenlet::discard;
use crate::primitive::sync::{Arc, OnceLock};
use crate::wait::{self, Outside};

/// How many threads there may be, if it is set.
const THREADS: &str = "GREENHUB_OFFLOAD_THREADS";

/// How many there may be otherwise: tokio's number.
const DEFAULT_THREADS: usize = 512;

/// How long a thread waits for another call before it ends. Starting one costs some 30 µs.
const PATIENCE: Duration = Duration::from_secs(10);

static POOL: OnceLock<Pool> = OnceLock::new();

/// Runs `f` on an OS thread that may block, and returns what it returns. The greenlet parks meanwhile, and its hub runs others;
/// a plain OS thread blocks. For calls that would stop the whole hub: files, `getaddrinfo`, a database's C library,
/// compression. (For long computations in Rust [`spawn_compute`](crate::spawn_compute) is cheaper, and can be killed.)
///
/// ```
/// greenhub::run(|| {
///     let text = greenhub::offload(|| std::fs::read_to_string("/etc/hosts"));
///     assert!(text.is_ok());
/// });
/// ```
///
/// # The call cannot be cancelled
///
/// If the wait is broken off, by a kill or a [`timeout`](crate::timeout), the caller goes on at once, and `f` is left to itself: it
/// runs to its end, even if it had not begun, and what it returns is dropped there. What was returned in time is never
/// lost. When the process ends, `f` ends with it wherever it is: wait for what must be complete.
///
/// # The threads
///
/// They are started as needed, at most 512 or as many as `GREENHUB_OFFLOAD_THREADS` says, for all runtimes of the process; further calls
/// wait for their turn, first come first served. A thread that has had nothing to do for ten seconds ends. To let fewer calls run at
/// once, for a disk's or a server's sake, put a [`Semaphore`](crate::sync::Semaphore) before them.
///
/// `f` is on a plain OS thread, no greenlet: [`current`](crate::current) panics there, and [`spawn`](crate::spawn) spawns on the global
/// runtime. It should not wait for another offloaded call, through a channel or a join: if all threads do, there is none for the
/// calls that they wait for. Calling `offload` itself within `f` is safe: where no thread is free, the inner call runs at once on the
/// thread of the outer one.
///
/// # Panics
///
/// With `f`'s panic; and if there is no thread and the system lets none be started, or `GREENHUB_OFFLOAD_THREADS` is no
/// number.
#[track_caller]
#[inline]
pub fn offload<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match try_offload(f) {
        Ok(value) => value,
        Err(error) => panic!("could not offload a call: {error}"),
    }
}

/// As [`offload`], for those who can pass an error on.
///
/// # Errors
///
/// If there is no thread for the call, and none can be started. `f` has not run.
#[track_caller]
#[inline(always)]
pub(crate) fn try_offload<F, T>(f: F) -> io::Result<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // Whoever is to end begins nothing.
    wait::deliver_due();
    match begin(f)?.wait() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(payload)) => resume_unwind(payload),
        Err(interrupt) => wait::deliver(interrupt),
    }
}

/// Runs `f` on such a thread when there is one, and nobody waits for it. It must not unwind.
///
/// # Errors
///
/// As for [`try_offload`]: `f` has been dropped.
pub(crate) fn detach(f: impl FnOnce() + Send + 'static) -> io::Result<()> {
    match pool()?.submit(Box::new(f), true)? {
        Submitted::Taken => Ok(()),
        // Not said of one that may be queued.
        Submitted::Full(_) => Err(io::ErrorKind::QuotaExceeded.into()),
    }
}

/// What `f` returned, or its panic.
type Ended<T> = Result<T, Box<dyn Any + Send>>;

/// Hands `f` to a thread.
#[inline(never)]
fn begin<F, T>(f: F) -> io::Result<Arc<Outcome<Ended<T>>>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let outcome = Arc::new(Outcome::new());
    let job = Box::new({
        let outcome = Arc::clone(&outcome);
        let counted = Outside::begin();
        move || {
            let ended = catch_unwind(AssertUnwindSafe(f));
            if let Some(unwanted) = outcome.put(ended) {
                // Nobody is left to be told how its destructor ended.
                if let Err(failure) = discard(unwanted) {
                    failure.ignore();
                }
            }
            drop(counted);
        }
    });
    let is_nested = context::runs_jobs();
    if let Submitted::Full(job) = pool()?.submit(job, !is_nested)? {
        job();
    }
    Ok(outcome)
}

fn pool() -> io::Result<&'static Pool> {
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let limit = match std::env::var(THREADS) {
        Err(std::env::VarError::NotPresent) => DEFAULT_THREADS,
        Err(error) => return Err(no_number(&error.to_string())),
        Ok(value) => match value.trim().parse() {
            Ok(limit) if limit > 0 => limit,
            _ => return Err(no_number(&value)),
        },
    };
    Ok(POOL.get_or_init(|| Pool::new(limit, PATIENCE)))
}

fn no_number(value: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{THREADS} must be a number of threads, not '{value}'"),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// The only test of this crate's own that offloads: the number is the process's.
    #[test]
    fn a_call_is_in_progress_until_its_waiter_has_been_woken() {
        assert_eq!(Outside::in_progress(), 0);
        let (open, opens) = mpsc::channel::<()>();
        let waiting = std::thread::spawn(move || offload(move || opens.recv()));
        while Outside::in_progress() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(Outside::in_progress(), 1);
        open.send(()).unwrap();
        waiting.join().unwrap().unwrap();
        while Outside::in_progress() > 0 {
            std::thread::yield_now();
        }
    }
}
