//! The wait of a greenlet that must not park: it blocks its OS thread instead.
//!
//! A greenlet that is unwinding never parks, because std counts panics by thread: another greenlet on the same thread
//! would see `panicking()`, and poison its locks. This is rare and slow on purpose: one lock and one condition variable
//! serve the whole process.
//!
//! No wake-up is lost: the waker leaves its token in the greenlet's state *before* it takes the lock, and the waiter
//! looks for the token *under* the lock. So either the waiter sees the token, or it waits on the condition variable
//! before the waker gets the lock to signal it.

use std::time::Instant;

use super::state::State;
use crate::primitive::sync::{Condvar, Mutex};

static LOCK: Mutex<()> = Mutex::new(());
static WOKEN: Condvar = Condvar::new();

/// Blocks the OS thread until the greenlet that runs on it, whose state this is, is unparked, or the deadline passes.
pub(crate) fn block_thread(state: &State, deadline: Option<Instant>) {
    state.enter_blocked();
    let mut guard = LOCK.lock();
    while !state.take_token() {
        match deadline {
            None => guard = WOKEN.wait(guard),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                guard = WOKEN.wait_timeout(guard, left);
            }
        }
    }
    drop(guard);
    state.leave_blocked();
}

/// Wakes every blocked thread, so that the one that was meant looks again.
#[cold]
pub(super) fn wake_threads() {
    drop(LOCK.lock());
    WOKEN.notify_all();
}
