//! Waiting for all.

use crate::greenlet::JoinError;
use crate::wait::JoinHandle;

/// Waits for every greenlet, and returns their results in the handles' order.
///
/// ```
/// let handles = (1..=3).map(|i| greenhub::spawn(move || i * i));
/// let squares: Vec<i32> = greenhub::join_all(handles).into_iter().map(Result::unwrap).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
#[track_caller]
pub fn join_all<T, I>(handles: I) -> Vec<Result<T, JoinError>>
where
    I: IntoIterator<Item = JoinHandle<T>>,
{
    // All of them first: the iterator may be what spawns them.
    let handles: Vec<_> = handles.into_iter().collect();
    handles.into_iter().map(JoinHandle::join).collect()
}
