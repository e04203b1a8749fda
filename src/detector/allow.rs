//! Marking what is meant to block.

use crate::context;
use crate::greenlet::Header;
use crate::scheduler;

/// Runs `f`, which is meant to keep the hub for longer than is allowed: the detector does not report it. The `reason` is for
/// whoever reads the source.
///
/// It applies to the calling greenlet, through every wait inside `f`, and nests. After it the time that is allowed begins
/// anew. On a plain OS thread it just runs `f`.
///
/// ```
/// use greenhub::detector::allow_blocking;
///
/// let length = greenhub::run(|| {
///     allow_blocking("read once, at the start", || std::fs::read("Cargo.toml").map(|text| text.len()))
/// });
/// # let _ = length;
/// ```
pub fn allow_blocking<F, T>(reason: &'static str, f: F) -> T
where
    F: FnOnce() -> T,
{
    let _ = reason;
    let _allowance = Allowance::begin();
    f()
}

/// The calling greenlet may block until this is dropped, by the same greenlet.
struct Allowance;

impl Allowance {
    fn begin() -> Allowance {
        with_header(Header::enter_blocking);
        Allowance
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        // In this order: the watchdog looks at the second first.
        scheduler::excuse_current_slice();
        with_header(Header::leave_blocking);
    }
}

fn with_header(f: impl FnOnce(&Header)) {
    if let Some(header) = context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        f(unsafe { header.as_ref() });
    }
}
