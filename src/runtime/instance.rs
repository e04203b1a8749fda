//! The runtime itself, and its end.

use std::fmt;
use std::time::{Duration, Instant};

use super::dump::Dump;
use super::metrics::Metrics;
use crate::greenlet::WaitKind;
use crate::primitive::sync::Arc;
use crate::scheduler::{self, Shared};
use crate::wait::{self, Shield};

/// Hubs of one's own.
///
/// Dropping it ends everything that runs on it: every greenlet that waits is unwound, so that its destructors run, every
/// one that has not begun is dropped, and the threads are joined. That takes as long as the longest stretch for which
/// some greenlet neither waits nor ends; [`Runtime::shutdown_timeout`] sets a limit.
///
/// ```
/// use greenhub::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let sum = runtime.run(|| {
///     let handles: Vec<_> = (0..10).map(|i| greenhub::spawn(move || i * i)).collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum, 285);
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
    /// Its end has been waited for, or will not be.
    ended: bool,
}

impl Runtime {
    pub(super) fn of(shared: Arc<Shared>) -> Runtime {
        Runtime {
            shared,
            ended: false,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What its hubs have done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.shared)
    }

    /// Lists every greenlet, where it is in its life, what it waits for, where and for how long, and its stack; and every
    /// hub. Meant for a look at a program that seems to be stuck, so it works when the hubs are:
    ///
    /// - A hub that runs the same greenlet all the time is looked at from outside (on Linux; elsewhere the settled
    ///   greenlets of such a hub are missing, and the dump says so).
    /// - The hubs go on. Each spends some time on telling of its own greenlets.
    /// - It takes a tenth of a second when a hub is stuck, a second at the very most.
    ///
    /// Called in a greenlet, it is a wait like any other, in which the greenlet may be killed. What happens meanwhile, the dump
    /// may show or not; each greenlet that has started, and not ended by the end, is in it once.
    ///
    /// With the environment variable `GREENHUB_DUMP_SIGNAL=QUIT` (or another signal's name or number) the dumps of all
    /// runtimes are written to stderr whenever the process gets that signal, and the program goes on.
    ///
    /// ```
    /// use greenhub::runtime::{GreenletState, Runtime, WaitKind};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::builder().hubs(1).build()?;
    /// let sleeper = runtime.spawn(|| greenhub::sleep(std::time::Duration::from_secs(3600)));
    /// # runtime.run(|| while !runtime.dump().greenlets().iter().any(|g| g.waits_for().is_some()) { greenhub::yield_now() });
    /// let dump = runtime.dump();
    /// let greenlet = &dump.greenlets()[0];
    /// assert_eq!(greenlet.id(), sleeper.greenlet().id());
    /// assert_eq!(greenlet.state(), GreenletState::Parked);
    /// assert_eq!(greenlet.waits_for(), Some(WaitKind::Sleep));
    /// println!("{dump}");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn dump(&self) -> Dump {
        Dump::of(&self.shared)
    }

    /// Ends the runtime as dropping it does, but waits no longer than `timeout`. `false`: some greenlet would not stop
    /// in time; it and its hub's thread are left to themselves.
    #[must_use = "`false` means that something still runs"]
    #[track_caller]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> bool {
        self.ended = true;
        self.shared.close();
        self.wait_for_end(wait::deadline_after(timeout))
    }

    /// `true`: every hub thread has ended, and has been joined.
    #[track_caller]
    fn wait_for_end(&self, deadline: Option<Instant>) -> bool {
        if scheduler::is_hub_of(&self.shared) {
            // One of its own greenlets holds it: that one would wait for its own end.
            return false;
        }
        // An unwinding that left from here would leave threads behind.
        let _shield = Shield::raise();
        while !self.shared.all_threads_ended(wait::current_unparker()) {
            if wait::has_passed(deadline) {
                return false;
            }
            wait::park(WaitKind::Shutdown, deadline);
        }
        for thread in self.shared.take_threads() {
            // It aborts rather than panic.
            let _ = thread.join();
        }
        true
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.close();
            self.wait_for_end(None);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("metrics", &self.metrics())
            .finish()
    }
}
