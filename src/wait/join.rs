//! Waiting for a greenlet's end.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::checkpoint::yield_if_overdue;
use super::park::{deadline_after, has_passed, park};
use super::unparker::current_unparker;
use super::yielding::give_way;
use crate::context;
use crate::greenlet::{Failure, Greenlet, JoinError, Joined, JoinedCore, Unparker, WaitKind};

/// The right to a greenlet's value, as [`std::thread::JoinHandle`] is to a thread's. Dropping it detaches the greenlet,
/// which runs on. It is a [`Future`] too, for any executor.
///
/// ```
/// let handle = greenhub::spawn(|| 6 * 7);
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
pub struct JoinHandle<T> {
    joined: Joined<T>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(joined: Joined<T>) -> JoinHandle<T> {
        JoinHandle { joined }
    }

    /// Waits for the greenlet's end, and returns its value. Works in greenlets and on OS threads.
    ///
    /// # Errors
    ///
    /// If the greenlet panicked or was killed; or if the caller is unwinding and the wait could never end
    /// ([`JoinError::is_deadlock`]).
    ///
    /// # Panics
    ///
    /// If a greenlet joins itself.
    #[track_caller]
    #[inline(always)]
    pub fn join(mut self) -> Result<T, JoinError> {
        match wait_for_end(&mut self.joined, None) {
            Waited::Ended => into_result(self.joined),
            _ => Err(JoinError::deadlock(self.greenlet().clone())),
        }
    }

    /// As [`JoinHandle::join`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the handle back if the greenlet has not ended by then.
    ///
    /// # Panics
    ///
    /// If a greenlet joins itself.
    #[track_caller]
    pub fn join_timeout(
        mut self,
        timeout: Duration,
    ) -> Result<Result<T, JoinError>, JoinHandle<T>> {
        match wait_for_end(&mut self.joined, deadline_after(timeout)) {
            Waited::Ended => Ok(into_result(self.joined)),
            _ => Err(self),
        }
    }

    /// Has `waker` woken at the greenlet's end, instead of whoever it was before. `false`: it has ended.
    pub(crate) fn wake_at_end(&mut self, waker: &Waker) -> bool {
        let joined = self.joined.core();
        joined.withdraw();
        joined.wait(waker.clone())
    }

    /// The greenlet has ended: [`JoinHandle::join`] will not wait. A greenlet that asks again and again, for longer than a
    /// [`checkpoint`](crate::checkpoint) would let pass, gives way to others.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let finished = self.joined.is_complete();
        if !finished {
            yield_if_overdue();
        }
        finished
    }

    /// The greenlet itself.
    #[must_use]
    pub fn greenlet(&self) -> &Greenlet {
        self.joined.greenlet()
    }

    /// Asks the greenlet to end: see [`Greenlet::kill`].
    pub fn kill(&self) {
        self.greenlet().kill();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(self.greenlet()).finish()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.wake_at_end(context.waker()) {
            return Poll::Pending;
        }
        let output = self.joined.take();
        Poll::Ready(output.map_err(|failure| error(self.greenlet().clone(), failure)))
    }
}

/// [`JoinHandle`] for [`spawn_local`](crate::spawn_local): it stays on its thread, like the value that it stands for.
///
/// ```
/// use std::rc::Rc;
///
/// greenhub::run(|| {
///     let shared = Rc::new(5);
///     let handle = greenhub::spawn_local({
///         let shared = Rc::clone(&shared);
///         move || *shared + 1
///     });
///     assert_eq!(handle.join().unwrap(), 6);
/// });
/// ```
pub struct LocalJoinHandle<T> {
    handle: JoinHandle<T>,
    not_send: PhantomData<*const ()>,
}

impl<T> LocalJoinHandle<T> {
    pub(crate) fn new(joined: Joined<T>) -> LocalJoinHandle<T> {
        LocalJoinHandle {
            handle: JoinHandle::new(joined),
            not_send: PhantomData,
        }
    }

    /// See [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// If the greenlet panicked or was killed.
    #[track_caller]
    #[inline(always)]
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// See [`JoinHandle::join_timeout`].
    ///
    /// # Errors
    ///
    /// Gives the handle back if the greenlet has not ended by then.
    #[track_caller]
    pub fn join_timeout(
        self,
        timeout: Duration,
    ) -> Result<Result<T, JoinError>, LocalJoinHandle<T>> {
        self.handle
            .join_timeout(timeout)
            .map_err(|handle| LocalJoinHandle {
                handle,
                not_send: PhantomData,
            })
    }

    /// See [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// See [`JoinHandle::greenlet`].
    #[must_use]
    pub fn greenlet(&self) -> &Greenlet {
        self.handle.greenlet()
    }

    /// See [`JoinHandle::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalJoinHandle")
            .field(self.greenlet())
            .finish()
    }
}

impl<T> Future for LocalJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(context)
    }
}

/// How a wait for a greenlet ended.
enum Waited {
    /// The greenlet has ended.
    Ended,
    /// The deadline has passed.
    Expired,
    /// It would have lasted for ever.
    Hopeless,
}

/// Waits for the end, or the deadline.
#[track_caller]
#[inline(always)]
fn wait_for_end<T>(joined: &mut Joined<T>, deadline: Option<Instant>) -> Waited {
    if let Some(waited) = leave_waiter(joined.core()) {
        return waited;
    }
    // Taken back by `Withdraw` when the deadline passes, or a kill unwinds.
    let waiting = Withdraw(joined.core());
    loop {
        let expired = has_passed(deadline);
        if expired {
            // A loop around this must not keep the hub to itself.
            give_way();
        } else {
            park(WaitKind::Join, deadline);
        }
        if waiting.0.is_complete() {
            std::mem::forget(waiting);
            return Waited::Ended;
        }
        if expired {
            return Waited::Expired;
        }
    }
}

/// `None`: a waiter has been left, and the wait begins.
#[track_caller]
#[inline(never)]
fn leave_waiter(joined: &mut JoinedCore) -> Option<Waited> {
    if joined.is_complete() {
        return Some(Waited::Ended);
    }
    if std::thread::panicking()
        && context::with(|context| context.is_home_of(joined.greenlet())) == Some(true)
    {
        // The caller does not park while it unwinds, and what it waits for can run nowhere else.
        return Some(Waited::Hopeless);
    }
    let unparker = current_unparker();
    if let Unparker::Greenlet(greenlet) = &unparker {
        assert!(
            greenlet != joined.greenlet(),
            "{} joined itself: it would wait for ever",
            greenlet.describe()
        );
    }
    // Whoever polled the handle before has left a waker.
    joined.withdraw();
    if joined.wait(unparker.into_waker()) {
        None
    } else {
        Some(Waited::Ended)
    }
}

struct Withdraw<'a>(&'a mut JoinedCore);

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

fn into_result<T>(joined: Joined<T>) -> Result<T, JoinError> {
    joined.into_result(error)
}

#[cold]
fn error(greenlet: Greenlet, failure: Failure) -> JoinError {
    JoinError::new(greenlet, failure)
}
