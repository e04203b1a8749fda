//! Noticing a kill, and refusing it.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::context;
use crate::greenlet::is_kill;

/// A greenlet that was asked to end caught that: see [`catch_kill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed;

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the greenlet was asked to end")
    }
}

impl Error for Killed {}

/// Runs `f`. If the greenlet is killed meanwhile, `f` unwinds, and the kill ends here: the greenlet may tidy up, or refuse,
/// and go on. It can be killed again. To end after all, return.
///
/// ```
/// greenhub::run(|| {
///     let stubborn = greenhub::spawn(|| {
///         let interrupted = greenhub::catch_kill(|| greenhub::park());
///         (interrupted.is_err(), "done all the same")
///     });
///     while format!("{:?}", stubborn.greenlet()).contains("Fresh") {
///         greenhub::yield_now();
///     }
///     stubborn.kill();
///     assert_eq!(stubborn.join().unwrap(), (true, "done all the same"));
/// });
/// ```
///
/// Panics of `f` pass through, and so does the end of a [`timeout`](crate::timeout) around this call. While the greenlet's
/// runtime is being shut down, a kill that was caught is delivered again at the next wait. On a plain OS thread, which
/// nobody can kill, this is just a call.
///
/// # Errors
///
/// If the greenlet was killed. The value of an `f` that came to its end is never lost to a kill: that is delivered at the next
/// wait.
///
/// # Panics
///
/// With `f`'s panic.
pub fn catch_kill<F, T>(f: F) -> Result<T, Killed>
where
    F: FnOnce() -> T,
{
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Ok(value),
        Err(payload) if is_kill(&*payload) => {
            if let Some(greenlet) = context::greenlet_handle() {
                greenlet.header().refuse_kill();
            }
            Err(Killed)
        }
        Err(payload) => resume_unwind(payload),
    }
}
