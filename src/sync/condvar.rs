//! Waiting for a change of what a lock guards.

use std::time::{Duration, Instant};

use lock_api::RawMutex as _;

use super::mutex::{MutexGuard, RawMutex};
use crate::greenlet::WaitKind;
use crate::primitive::const_fn;
use crate::wait::{
    Locked, Node, Shield, Token, Wait, WaitQueue, Waited, deadline_after, deliver_due,
};

/// A condition variable for [`Mutex`](super::Mutex): parking_lot's interface, for greenlets and OS threads alike. It does not wake
/// spuriously, but what was notified may have changed again: look, in a loop, or with [`Condvar::wait_while`].
///
/// ```
/// use greenhub::sync::{Condvar, Mutex};
///
/// static READY: Mutex<bool> = Mutex::new(false);
/// static CHANGED: Condvar = Condvar::new();
///
/// greenhub::spawn(|| {
///     *READY.lock() = true;
///     CHANGED.notify_one();
/// });
/// let mut ready = READY.lock();
/// CHANGED.wait_while(&mut ready, |ready| !*ready);
/// assert!(*ready);
/// ```
///
/// A kill, or a [`timeout`](crate::timeout), that ends a wait takes the lock first, as any end of a wait does; a notification is
/// never lost to it.
#[derive(Debug, Default)]
pub struct Condvar {
    waiters: WaitQueue<()>,
}

/// How a wait with a limit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// The time was up, and nobody had notified.
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    const_fn! {
        /// Nobody waits.
        #[must_use]
        pub fn new() -> Condvar {
            Condvar {
                waiters: WaitQueue::new(()),
            }
        }
    }

    /// Wakes one of those who wait. `false`: nobody did.
    pub fn notify_one(&self) -> bool {
        self.waiters.lock().complete_first(Token::Given)
    }

    /// Wakes all who wait, and says how many.
    pub fn notify_all(&self) -> usize {
        self.waiters.lock().complete_all(Token::Given)
    }

    /// Unlocks, waits for a notification, and locks again. Nothing comes between the unlocking and the waiting.
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_before(guard, None);
    }

    /// As [`Condvar::wait`], but waits no longer than `timeout` (and then for the lock).
    #[track_caller]
    pub fn wait_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_before(guard, deadline_after(timeout))
    }

    /// std's name for [`Condvar::wait_for`].
    #[track_caller]
    pub fn wait_timeout<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_for(guard, timeout)
    }

    /// As [`Condvar::wait`], but waits no longer than until `deadline` (and then for the lock).
    #[track_caller]
    pub fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait_before(guard, Some(deadline))
    }

    /// Waits as long as `condition` holds of what is locked.
    #[track_caller]
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) {
        while condition(&mut **guard) {
            self.wait(guard);
        }
    }

    /// As [`Condvar::wait_while`], but no longer than `timeout`: then `timed_out` says whether the condition still holds.
    #[track_caller]
    pub fn wait_while_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_while_before(guard, condition, deadline_after(timeout))
    }

    /// std's name for [`Condvar::wait_while_for`].
    #[track_caller]
    pub fn wait_timeout_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> WaitTimeoutResult {
        self.wait_while_for(guard, condition, timeout)
    }

    /// As [`Condvar::wait_while`], but no longer than until `deadline`: then `timed_out` says whether the condition still holds.
    #[track_caller]
    pub fn wait_while_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait_while_before(guard, condition, Some(deadline))
    }

    #[track_caller]
    fn wait_while_before<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        deadline: Option<Instant>,
    ) -> WaitTimeoutResult {
        while condition(&mut **guard) {
            if self.wait_before(guard, deadline).timed_out() {
                return WaitTimeoutResult(condition(&mut **guard));
            }
        }
        WaitTimeoutResult(false)
    }

    #[track_caller]
    #[inline(always)]
    fn wait_before<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Option<Instant>,
    ) -> WaitTimeoutResult {
        // SAFETY: the guard is the caller's, and locked again before this returns or unwinds.
        let raw = unsafe { MutexGuard::mutex(guard).raw() };
        let unlock = |_: &mut Locked<'_, ()>, _: &Node| {
            // SAFETY: it is locked, as the guard says. The caller is in the list: a notification from now on finds it.
            unsafe { raw.unlock() };
            None::<()>
        };
        let wait = Wait::new(WaitKind::Condvar, deadline);
        let waited = self.waiters.wait_quietly(wait, unlock, |_| ());
        lock_again(raw);
        // What has ended the wait unwinds from here, with the lock taken: its guard is there to free it.
        if let Waited::Interrupted(_) = waited {
            deliver_due();
        }
        WaitTimeoutResult(waited == Waited::TimedOut)
    }
}

/// Takes the lock, whatever is due: the guard exists, and will free it.
#[track_caller]
fn lock_again(raw: &RawMutex) {
    let _shield = Shield::raise();
    raw.lock();
}
