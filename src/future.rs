//! The bridge to `async` code.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::greenlet::{Unparker, WaitKind};
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::wait;

/// Runs a future to its end: the greenlet parks while it is pending, and an OS thread blocks. So any library of futures that
/// brings its own reactor, or needs none, can be used from a greenlet; in the other direction a
/// [`JoinHandle`](crate::JoinHandle) is itself a future, for any executor.
///
/// ```
/// let double = greenhub::run(|| {
///     let handle = greenhub::spawn(|| 21);
///     greenhub::block_on(async { handle.await.unwrap() * 2 })
/// });
/// assert_eq!(double, 42);
/// ```
///
/// Its waker may be called from anywhere, any number of times, also after the end. A future that wakes itself at once lets the
/// hub's other greenlets run in between. If the wait is broken off by a kill or a [`timeout`](crate::timeout), the future is
/// dropped.
///
/// # Panics
///
/// With the future's panic.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Arc::new(Signal {
        woken: AtomicBool::new(false),
        sleeper: wait::current_unparker(),
    });
    let waker = Waker::from(Arc::clone(&signal));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if signal.take() {
            // It asks for its next turn at once: others have theirs first, and what is due is delivered, on an OS thread, too.
            wait::deliver_due();
            wait::give_way();
            continue;
        }
        while !signal.take() {
            wait::park(WaitKind::Future, None);
        }
    }
}

/// Wakes who runs the future. The flag of its own is needed because a poll may itself wait, and take a wake-up for its own.
struct Signal {
    woken: AtomicBool,
    sleeper: Unparker,
}

impl Signal {
    fn take(&self) -> bool {
        // Acquire pairs with the release in `wake`: the next poll sees what was done before.
        self.woken.swap(false, Ordering::Acquire)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The flag first: who finds it unset has not been unparked yet. One wake-up is enough for any number.
        if !self.woken.swap(true, Ordering::Release) {
            self.sleeper.unpark();
        }
    }
}
