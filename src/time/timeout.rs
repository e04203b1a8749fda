//! Limiting how long a call may take.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::wait;

/// The time was up: see [`timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before the call had ended")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs `f`; if a wait in it lasts beyond `duration` from now, or begins after that, it unwinds: destructors run, locks are
/// released, and this returns [`Elapsed`]. Works in greenlets and on OS threads.
///
/// ```
/// use std::time::Duration;
///
/// greenhub::run(|| {
///     let slow = greenhub::timeout(Duration::from_millis(5), || {
///         greenhub::sleep(Duration::from_secs(60));
///     });
///     assert!(slow.is_err());
///
///     let quick = greenhub::timeout(Duration::from_secs(60), || 6 * 7);
///     assert_eq!(quick, Ok(42));
/// });
/// ```
///
/// Only waits are broken off: what computes without waiting is not, and an `f` that comes to its end has its value returned,
/// however long it took. A wait that is completed in time keeps what it was given.
///
/// Timeouts nest: if several have passed, the outermost ends, and an inner one's [`Elapsed`] never surfaces in an outer one. A
/// kill goes before. `f` that catches the unwinding is broken off again at its next wait. Nothing is broken off within
/// [`shield`](crate::shield), nor while the caller is unwinding already.
///
/// What unwinds must not wait for other greenlets of its hub, because it cannot park: a destructor that locks, sends or joins, or flushes a
/// `BufWriter`, blocks the hub until it is done. Do that before the end of `f`, or within `shield`.
///
/// # Errors
///
/// If the time was up.
///
/// # Panics
///
/// With `f`'s panic; and where the time is up in a program compiled with `panic = "abort"`, which this cannot work in: the
/// process is aborted then, with a message that says so.
#[track_caller]
pub fn timeout<F, T>(duration: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    match wait::deadline_after(duration) {
        None => Ok(f()),
        Some(deadline) => wait::with_time_limit(deadline, f).ok_or(Elapsed),
    }
}
