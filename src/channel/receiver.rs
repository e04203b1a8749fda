//! The receiving side.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::buffered::Missed;
use super::clock::Clock;
use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::shared::Shared;
use crate::greenlet::WaitKind;
use crate::primitive::sync::Arc;
use crate::wait::{deadline_after, has_passed, park, yield_if_overdue};

/// The receiving side of a channel. Clones take messages from the same one, each message going to one of them; the channel is
/// disconnected when the last is dropped.
///
/// ```
/// let (sender, receiver) = greenhub::channel::bounded(2);
/// greenhub::spawn(move || (1..=3).for_each(|i| sender.send(i).unwrap()));
/// assert_eq!(receiver.recv(), Ok(1));
/// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [2, 3]);
/// ```
pub struct Receiver<T> {
    pub(super) source: Source<T>,
}

/// Where messages come from.
pub(super) enum Source<T> {
    /// From senders.
    Shared(Arc<Shared<T>>),
    /// From the clock, and what makes a message of a time.
    Clock(Arc<Clock>, fn(Instant) -> T),
    /// From nowhere.
    Never,
}

impl<T> Receiver<T> {
    pub(super) fn new(source: Source<T>) -> Receiver<T> {
        Receiver { source }
    }

    /// Takes the next message, waiting for one.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone, now or while it waits.
    #[track_caller]
    #[inline(always)]
    pub fn recv(&self) -> Result<T, RecvError> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room.
        match unsafe { self.recv_into(message.as_mut_ptr(), None) } {
            // SAFETY: it has been received.
            Ok(()) => Ok(unsafe { message.assume_init() }),
            Err(_) => Err(RecvError),
        }
    }

    /// Takes the next message if there is one.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room.
        match unsafe { self.try_recv_into(message.as_mut_ptr()) } {
            // SAFETY: it has been received.
            Ok(()) => Ok(unsafe { message.assume_init() }),
            Err(missed) => {
                yield_if_overdue();
                Err(match missed {
                    Missed::NotNow => TryRecvError::Empty,
                    Missed::Closed => TryRecvError::Disconnected,
                })
            }
        }
    }

    /// As [`Receiver::recv`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If the time is up, or the channel is empty and all senders are gone.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_before(deadline_after(timeout))
    }

    /// As [`Receiver::recv`], but waits no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is up, or the channel is empty and all senders are gone.
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_before(Some(deadline))
    }

    #[track_caller]
    fn recv_before(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room.
        match unsafe { self.recv_into(message.as_mut_ptr(), deadline) } {
            // SAFETY: it has been received.
            Ok(()) => Ok(unsafe { message.assume_init() }),
            Err(Missed::NotNow) => Err(RecvTimeoutError::Timeout),
            Err(Missed::Closed) => Err(RecvTimeoutError::Disconnected),
        }
    }

    /// Receives, waiting until the deadline. With `Ok` the message is there.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[track_caller]
    #[inline(always)]
    unsafe fn recv_into(&self, into: *mut T, deadline: Option<Instant>) -> Result<(), Missed> {
        match &self.source {
            // SAFETY: as the caller says.
            Source::Shared(shared) => unsafe { shared.recv(into, deadline) },
            // SAFETY: as the caller says.
            _ => unsafe { self.recv_elsewhere(into, deadline) },
        }
    }

    /// The same without waiting.
    ///
    /// # Safety
    ///
    /// As for [`Receiver::recv_into`].
    #[inline(always)]
    unsafe fn try_recv_into(&self, into: *mut T) -> Result<(), Missed> {
        match &self.source {
            // SAFETY: as the caller says.
            Source::Shared(shared) => unsafe { shared.try_recv(into) },
            Source::Clock(clock, message_of) => {
                let at = clock.take().ok_or(Missed::NotNow)?;
                // SAFETY: as the caller says.
                unsafe { into.write(message_of(at)) };
                Ok(())
            }
            Source::Never => Err(Missed::NotNow),
        }
    }

    /// What does not come from senders.
    ///
    /// # Safety
    ///
    /// As for [`Receiver::recv_into`].
    #[track_caller]
    #[cold]
    unsafe fn recv_elsewhere(&self, into: *mut T, deadline: Option<Instant>) -> Result<(), Missed> {
        if let Source::Clock(clock, message_of) = &self.source {
            let at = clock.wait(deadline).ok_or(Missed::NotNow)?;
            // SAFETY: as the caller says.
            unsafe { into.write(message_of(at)) };
            return Ok(());
        }
        loop {
            // Even if there is no time left: a loop around this must not keep the hub to itself.
            park(WaitKind::Receive, deadline);
            if has_passed(deadline) {
                return Err(Missed::NotNow);
            }
        }
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
        match &self.source {
            Source::Shared(shared) => shared.len(),
            Source::Clock(clock, _) => usize::from(clock.is_due()),
            Source::Never => 0,
        }
    }

    /// How many messages the channel holds; `None` if any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.source {
            Source::Shared(shared) => shared.capacity(),
            Source::Clock(..) => Some(1),
            Source::Never => Some(0),
        }
    }

    /// An iterator over the messages to come, which waits for each, and ends when the channel is empty and all senders are
    /// gone.
    ///
    /// ```
    /// let (sender, receiver) = greenhub::channel::unbounded();
    /// greenhub::spawn(move || (0..4).for_each(|i| sender.send(i).unwrap()));
    /// assert_eq!(receiver.iter().sum::<i32>(), 6);
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// An iterator over the messages that are there now, which never waits.
    #[must_use]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }

    /// Both take messages from the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        match (&self.source, &other.source) {
            (Source::Shared(one), Source::Shared(other)) => one.is(other),
            (Source::Clock(one, _), Source::Clock(other, _)) => Arc::ptr_eq(one, other),
            (Source::Never, Source::Never) => true,
            _ => false,
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver::new(match &self.source {
            Source::Shared(shared) => {
                shared.add_receiver();
                Source::Shared(Arc::clone(shared))
            }
            Source::Clock(clock, message) => Source::Clock(Arc::clone(clock), *message),
            Source::Never => Source::Never,
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Source::Shared(shared) = &self.source {
            shared.remove_receiver();
        }
    }
}

// A panic elsewhere leaves the channel as it is.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver { .. }")
    }
}

/// The messages to come: see [`Receiver::iter`].
pub struct Iter<'a, T>(&'a Receiver<T>);

/// The messages that are there: see [`Receiver::try_iter`].
pub struct TryIter<'a, T>(&'a Receiver<T>);

/// The messages to come, with the receiver itself.
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> std::iter::FusedIterator for Iter<'_, T> {}
impl<T> std::iter::FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iter { .. }")
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TryIter { .. }")
    }
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntoIter { .. }")
    }
}
