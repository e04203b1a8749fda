//! Waiting for each as it ends.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::greenlet::{JoinError, Unparker, WaitKind};
use crate::primitive::sync::Mutex;
use crate::wait::{self, JoinHandle};

/// Yields the results of the greenlets in the order in which they end.
///
/// ```
/// use std::time::Duration;
///
/// let slow = greenhub::spawn(|| {
///     greenhub::sleep(Duration::from_millis(20));
///     "slow"
/// });
/// let fast = greenhub::spawn(|| "fast");
/// let order: Vec<_> = greenhub::as_completed([slow, fast]).map(Result::unwrap).collect();
/// assert_eq!(order, ["fast", "slow"]);
/// ```
pub fn as_completed<T, I>(handles: I) -> AsCompleted<T>
where
    I: IntoIterator<Item = JoinHandle<T>>,
{
    let ended = Arc::new(Ended::default());
    let mut completed = AsCompleted {
        handles: Vec::new(),
        left: 0,
        ended,
    };
    for (index, mut handle) in handles.into_iter().enumerate() {
        let announce = Arc::new(Announce {
            index,
            ended: Arc::clone(&completed.ended),
        });
        if !handle.wake_at_end(&Waker::from(Arc::clone(&announce))) {
            announce.wake();
        }
        completed.handles.push(Some(handle));
        completed.left += 1;
    }
    completed
}

/// The iterator that [`as_completed`] returns. Dropping it detaches the greenlets that have not been yielded.
#[must_use = "iterators are lazy: the greenlets run, but nobody waits for them"]
pub struct AsCompleted<T> {
    /// `None`: yielded.
    handles: Vec<Option<JoinHandle<T>>>,
    left: usize,
    ended: Arc<Ended>,
}

/// Where ends are announced.
#[derive(Default)]
struct Ended(Mutex<Announced>);

#[derive(Default)]
struct Announced {
    /// Which handles' greenlets have ended and have not been looked at.
    order: VecDeque<usize>,
    /// Who waits for the next one.
    waiter: Option<Unparker>,
}

/// Announces the end of one.
struct Announce {
    index: usize,
    ended: Arc<Ended>,
}

impl Wake for Announce {
    fn wake(self: Arc<Self>) {
        let waiter = {
            let mut announced = self.ended.0.lock();
            announced.order.push_back(self.index);
            announced.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }
}

impl<T> AsCompleted<T> {
    /// The first greenlet that has ended and has not been yielded; waits for one.
    #[track_caller]
    fn next_ended(&mut self) -> usize {
        loop {
            {
                let mut announced = self.ended.0.lock();
                if let Some(index) = announced.order.pop_front() {
                    return index;
                }
                announced.waiter = Some(wait::current_unparker());
            }
            wait::park(WaitKind::Join, None);
        }
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<T, JoinError>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let index = self.next_ended();
        let handle = self.handles[index].take()?;
        self.left -= 1;
        Some(handle.join())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}

impl<T> FusedIterator for AsCompleted<T> {}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
