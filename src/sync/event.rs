//! Something that has happened, or not yet.

use std::time::{Duration, Instant};

use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited, deadline_after, yield_if_overdue};

/// A flag that can be waited for, for greenlets and OS threads alike: gevent's, and Python's, `Event`.
///
/// ```
/// use greenhub::sync::Event;
///
/// static STARTED: Event = Event::new();
///
/// greenhub::spawn(|| STARTED.set());
/// STARTED.wait();
/// assert!(STARTED.is_set());
/// ```
#[derive(Debug, Default)]
pub struct Event {
    set: AtomicBool,
    waiters: WaitQueue<()>,
}

impl Event {
    /// It has not happened.
    #[must_use]
    pub const fn new() -> Event {
        Event {
            set: AtomicBool::new(false),
            waiters: WaitQueue::new(()),
        }
    }

    /// It has happened. If it has not, and the caller's slice has lasted long, others go first: a loop around this ends.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let set = self.has_happened();
        if !set {
            yield_if_overdue();
        }
        set
    }

    /// The same, asked in the middle of things.
    fn has_happened(&self) -> bool {
        // Acquire pairs with the release in `set`.
        self.set.load(Ordering::Acquire)
    }

    /// It happens: all who wait go on, even if it is cleared at once.
    pub fn set(&self) {
        // Under the lock of the list: who looks there either sees the flag, or is woken.
        let mut waiters = self.waiters.lock();
        self.set.store(true, Ordering::Release);
        waiters.complete_all(Token::Given);
    }

    /// It has not happened yet after all.
    pub fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    /// Waits until it happens.
    #[track_caller]
    pub fn wait(&self) {
        self.wait_before(None);
    }

    /// Waits until it happens, but no longer than `timeout`. `false`: it has not.
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_before(deadline_after(timeout))
    }

    /// Waits until it happens, but no longer than until `deadline`. `false`: it has not.
    #[track_caller]
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.wait_before(Some(deadline))
    }

    #[track_caller]
    #[inline(always)]
    fn wait_before(&self, deadline: Option<Instant>) -> bool {
        if self.has_happened() {
            return true;
        }
        let look = |_: &mut Locked<'_, ()>, _: &Node| self.has_happened().then_some(());
        let wait = Wait::new(WaitKind::Event, deadline);
        self.waiters.wait(wait, look, |_| ()) != Waited::TimedOut
    }
}
