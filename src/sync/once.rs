//! Doing something once, and keeping what came of it.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicU8, Ordering};
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, yield_if_overdue};

const EMPTY: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;

/// A value that is written once: [`std::sync::OnceLock`]'s interface. While one greenlet or OS thread makes the value, the others
/// wait cooperatively: making it may itself wait.
///
/// ```
/// use greenhub::sync::OnceLock;
///
/// static CONFIG: OnceLock<String> = OnceLock::new();
///
/// let config = CONFIG.get_or_init(|| {
///     greenhub::yield_now();
///     "loaded".to_string()
/// });
/// assert_eq!(config, "loaded");
/// assert_eq!(CONFIG.get().map(String::len), Some(6));
/// ```
///
/// If making it panics, or is killed, the next one tries. One whose making comes back here waits for itself for ever.
pub struct OnceLock<T> {
    state: AtomicU8,
    waiters: WaitQueue<()>,
    /// `Some` from `DONE` on. It drops itself: with a `Drop` of the lock's own, what the value borrows would have to outlive it.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: a shared reference gives shared access to the value, and moves one in that came from another thread.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
// SAFETY: with the lock its value moves.
unsafe impl<T: Send> Send for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe + RefUnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock {
            state: AtomicU8::new(EMPTY),
            waiters: WaitQueue::new(()),
            value: UnsafeCell::new(None),
        }
    }

    /// The value, if it is there. Never waits; if it is not there, and the caller's slice has lasted long, others go first.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        let value = self.peek();
        if value.is_none() {
            yield_if_overdue();
        }
        value
    }

    /// The value, if it is there: asked in the middle of things.
    #[inline]
    pub(super) fn peek(&self) -> Option<&T> {
        // Acquire pairs with the release in `finish`.
        if self.state.load(Ordering::Acquire) == DONE {
            // SAFETY: it has been written, and is not written again while it is borrowed.
            unsafe { (*self.value.get()).as_ref() }
        } else {
            None
        }
    }

    /// The value, if it is there.
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Writes the value. If another is making one, waits for that.
    ///
    /// # Errors
    ///
    /// If there is one already. The value comes back.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.init(|| value.take());
        value.map_or(Ok(()), Err)
    }

    /// The value; if there is none, `make` makes it. If another is making it, waits for that.
    ///
    /// # Panics
    ///
    /// With `make`'s panic; then there is no value yet.
    #[track_caller]
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.peek() {
            Some(value) => value,
            None => {
                let mut make = Some(make);
                self.init(|| make.take().map(|make| make()));
                self.peek().expect("it has just been made")
            }
        }
    }

    /// Has a value made if there is none; `make` always has one when it is called first.
    #[track_caller]
    #[cold]
    fn init(&self, mut make: impl FnMut() -> Option<T>) {
        loop {
            match self
                .state
                .compare_exchange(EMPTY, RUNNING, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => {
                    let unfinished = Unfinished(self);
                    let Some(value) = make() else { return };
                    // SAFETY: the move to RUNNING was ours: nobody else writes, and nobody reads before DONE.
                    unsafe { *self.value.get() = Some(value) };
                    std::mem::forget(unfinished);
                    return self.finish(DONE);
                }
                Err(DONE) => return,
                Err(_) => {
                    let look = |_: &mut Locked<'_, ()>, _: &Node| {
                        (self.state.load(Ordering::Acquire) != RUNNING).then_some(())
                    };
                    let wait = Wait::new(WaitKind::Once, None);
                    let _look_again = self.waiters.wait(wait, look, |_| ());
                }
            }
        }
    }

    /// The making has ended. All who wait look again: at the value, or for who makes it next.
    fn finish(&self, state: u8) {
        // Under the lock of the list: who looks there either sees this, or is woken.
        let mut waiters = self.waiters.lock();
        self.state.store(state, Ordering::Release);
        waiters.complete_all(Token::Retry);
    }

    /// Takes the value out, and leaves the lock empty.
    #[must_use]
    pub fn take(&mut self) -> Option<T> {
        self.state.store(EMPTY, Ordering::Relaxed);
        self.value.get_mut().take()
    }

    /// The value, if there is one.
    #[must_use]
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

/// Making the value has not come to its end.
struct Unfinished<'a, T>(&'a OnceLock<T>);

impl<T> Drop for Unfinished<'_, T> {
    fn drop(&mut self) {
        self.0.finish(EMPTY);
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        OnceLock::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        OnceLock {
            state: AtomicU8::new(DONE),
            waiters: WaitQueue::new(()),
            value: UnsafeCell::new(Some(value)),
        }
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.peek()
            .cloned()
            .map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.peek() == other.peek()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("OnceLock");
        match self.peek() {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<empty>")),
        };
        out.finish()
    }
}

/// Something that is done once: [`std::sync::Once`], without poisoning.
///
/// ```
/// use greenhub::sync::Once;
///
/// static START: Once = Once::new();
///
/// let mut times = 0;
/// START.call_once(|| times += 1);
/// START.call_once(|| times += 1);
/// assert!(START.is_completed());
/// assert_eq!(times, 1);
/// ```
#[derive(Debug, Default)]
pub struct Once(OnceLock<()>);

impl Once {
    /// It has not been done.
    #[must_use]
    pub const fn new() -> Once {
        Once(OnceLock::new())
    }

    /// Does it, unless it has been done. If another is doing it, waits for that.
    ///
    /// # Panics
    ///
    /// With `f`'s panic; then it has not been done.
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        self.0.get_or_init(f);
    }

    /// It has been done. If it has not, and the caller's slice has lasted long, others go first.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.0.get().is_some()
    }
}
