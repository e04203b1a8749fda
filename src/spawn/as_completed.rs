//! Waiting for each as it ends.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::greenlet::{JoinError, WaitKind};
use crate::wait::{JoinHandle, Locked, Node, Token, Wait, WaitQueue, Waited};

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

/// Which handles' greenlets have ended and have not been looked at, in that order; and who waits for the next.
#[derive(Default)]
struct Ended(WaitQueue<VecDeque<usize>>);

/// Announces the end of one.
struct Announce {
    index: usize,
    ended: Arc<Ended>,
}

impl Wake for Announce {
    fn wake(self: Arc<Self>) {
        let mut order = self.ended.0.lock();
        order.push_back(self.index);
        order.complete_first(Token::Retry);
    }
}

impl<T> AsCompleted<T> {
    /// The first greenlet that has ended and has not been yielded; waits for one.
    #[track_caller]
    fn next_ended(&self) -> usize {
        let look = |order: &mut Locked<'_, VecDeque<usize>>, _: &Node| order.pop_front();
        loop {
            let wait = Wait::new(WaitKind::Join, None);
            if let Waited::Ready(index) = self.ended.0.wait(wait, look, |_| ()) {
                return index;
            }
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
