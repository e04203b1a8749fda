//! The sending side.

use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::buffered::Missed;
use super::error::{SendError, SendTimeoutError, TrySendError};
use super::shared::Shared;
use crate::primitive::sync::Arc;
use crate::wait::{deadline_after, yield_if_overdue};

/// The sending side of a channel. Clones send into the same one; it is disconnected when the last of them is dropped.
///
/// ```
/// let (sender, receiver) = greenhub::channel::unbounded();
/// let other = sender.clone();
/// greenhub::spawn(move || sender.send(1).unwrap());
/// greenhub::spawn(move || other.send(2).unwrap());
/// assert_eq!(receiver.iter().sum::<i32>(), 3);
/// ```
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Sender<T> {
        Sender { shared }
    }

    /// Sends a message, waiting while the channel is full; or, if it has no capacity, until somebody receives it.
    ///
    /// # Errors
    ///
    /// If all receivers are gone, now or while it waits. The message comes back.
    #[track_caller]
    #[inline(always)]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        // SAFETY: the message is there.
        match unsafe { self.shared.send(&raw const message, None) } {
            Ok(()) => self.sent(message),
            Err(_) => return Err(SendError(message)),
        }
        Ok(())
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// If the channel is full, or all receivers are gone. The message comes back.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        // SAFETY: the message is there.
        match unsafe { self.shared.try_send(&raw const message) } {
            Ok(()) => self.sent(message),
            Err(missed) => {
                yield_if_overdue();
                return Err(match missed {
                    Missed::NotNow => TrySendError::Full(message),
                    Missed::Closed => TrySendError::Disconnected(message),
                });
            }
        }
        Ok(())
    }

    /// As [`Sender::send`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If the time is up, or all receivers are gone. The message comes back.
    #[track_caller]
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_before(message, deadline_after(timeout))
    }

    /// As [`Sender::send`], but waits no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is up, or all receivers are gone. The message comes back.
    #[track_caller]
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_before(message, Some(deadline))
    }

    #[track_caller]
    fn send_before(
        &self,
        message: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        // SAFETY: the message is there.
        match unsafe { self.shared.send(&raw const message, deadline) } {
            Ok(()) => self.sent(message),
            Err(Missed::NotNow) => return Err(SendTimeoutError::Timeout(message)),
            Err(Missed::Closed) => return Err(SendTimeoutError::Disconnected(message)),
        }
        Ok(())
    }

    /// The message has been moved out of here, by [`Shared::send`].
    #[inline(always)]
    pub(super) fn sent(&self, message: T) {
        mem::forget(message);
        self.shared.after_send();
    }

    /// There is no message in the channel. One without capacity is always empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// There is no room for a message. A channel without capacity is always full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.capacity() == Some(self.len())
    }

    /// How many messages are in the channel.
    #[must_use]
    pub fn len(&self) -> usize {
        yield_if_overdue();
        self.shared.len()
    }

    /// How many messages the channel holds; `None` if any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// Both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        self.shared.is(&other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.add_sender();
        Sender::new(Arc::clone(&self.shared))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

// A panic elsewhere leaves the channel as it is.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender { .. }")
    }
}
