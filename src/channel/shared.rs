//! What the two sides of a channel share.

use std::ptr;
use std::time::Instant;

use super::buffered::{Buffered, Missed};
use super::limited::Limited;
use super::list::List;
use super::rendezvous::Rendezvous;
use super::ring::Ring;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::Arc;

/// A channel, and how many hold each side of it.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) flavor: Flavor<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// How messages get across.
#[derive(Debug)]
pub(super) enum Flavor<T> {
    /// Room for some, which is there from the beginning.
    Bounded(Buffered<Ring<T>>),
    /// Room for many, which is made as they come.
    Large(Buffered<Limited<T>>),
    Unbounded(Buffered<List<T>>),
    Zero(Rendezvous<T>),
}

/// The same call on whichever it is: one for those that hold messages, and one for that which holds none.
macro_rules! on_buffered {
    ($flavor:expr, $channel:ident => $call:expr, $zero:ident => $other:expr $(,)?) => {
        match $flavor {
            Flavor::Bounded($channel) => $call,
            Flavor::Large($channel) => $call,
            Flavor::Unbounded($channel) => $call,
            Flavor::Zero($zero) => $other,
        }
    };
}
pub(super) use on_buffered;

impl<T> Flavor<T> {
    /// For so many messages.
    pub(super) fn bounded(capacity: usize) -> Flavor<T> {
        if capacity == 0 {
            Flavor::Zero(Rendezvous::new())
        } else if capacity <= Ring::<T>::MOST {
            Flavor::Bounded(Buffered::new(Ring::new(capacity)))
        } else {
            Flavor::Large(Buffered::new(Limited::new(capacity)))
        }
    }

    /// For any number.
    pub(super) fn unbounded() -> Flavor<T> {
        Flavor::Unbounded(Buffered::new(List::new()))
    }
}

impl<T> Shared<T> {
    /// A channel with one holder of each side.
    pub(super) fn new(flavor: Flavor<T>) -> Arc<Shared<T>> {
        Arc::new(Shared {
            flavor,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        })
    }

    /// It is the same channel.
    pub(super) fn is(&self, other: &Shared<T>) -> bool {
        ptr::eq(self, other)
    }

    /// One holder more.
    pub(super) fn add_sender(&self) {
        // Relaxed, as `Arc`'s count: whoever adds one has one.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// One holder more.
    pub(super) fn add_receiver(&self) {
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    /// One holder fewer. The last closes the channel: receivers take what is there, and then learn of it.
    pub(super) fn remove_sender(&self) {
        on_buffered!(&self.flavor, channel => channel.discard_rest(), _zero => ());
        // AcqRel, as `Arc`'s: what all of them sent comes before the closing.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    /// One holder fewer. The last closes the channel and drops what is in it.
    pub(super) fn remove_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
            self.discard();
        }
    }

    fn close(&self) {
        on_buffered!(&self.flavor, channel => channel.close(), zero => zero.close());
    }

    fn discard(&self) {
        on_buffered!(&self.flavor, channel => channel.discard(), zero => zero.discard());
    }

    /// How many messages are in it.
    pub(super) fn len(&self) -> usize {
        on_buffered!(&self.flavor, channel => channel.len(), _zero => 0)
    }

    /// How many it holds; `None`: any number.
    pub(super) fn capacity(&self) -> Option<usize> {
        on_buffered!(&self.flavor, channel => channel.capacity(), _zero => Some(0))
    }

    /// Sends, waiting until the deadline. With `Ok` the message must be forgotten, and then [`Shared::after_send`] follows.
    ///
    /// # Safety
    ///
    /// The message is there. With `Ok` it has been moved out; if this unwinds, it has not.
    #[track_caller]
    #[inline(always)]
    pub(super) unsafe fn send(
        &self,
        message: *const T,
        deadline: Option<Instant>,
    ) -> Result<(), Missed> {
        on_buffered!(&self.flavor,
            // SAFETY: claimed just now.
            channel => unsafe { channel.fill(channel.claim(deadline)?, message) },
            // SAFETY: as the caller says.
            zero => return unsafe { zero.send(message, deadline) },
        );
        Ok(())
    }

    /// The same without waiting.
    ///
    /// # Safety
    ///
    /// As for [`Shared::send`].
    #[inline(always)]
    pub(super) unsafe fn try_send(&self, message: *const T) -> Result<(), Missed> {
        on_buffered!(&self.flavor,
            // SAFETY: claimed just now.
            channel => unsafe { channel.fill(channel.try_claim()?, message) },
            // SAFETY: as the caller says.
            zero => return unsafe { zero.try_send(message) },
        );
        Ok(())
    }

    /// A message has been sent. May panic: not before it is forgotten where it was.
    #[inline(always)]
    pub(super) fn after_send(&self) {
        on_buffered!(&self.flavor, channel => channel.after_send(), _zero => ());
    }

    /// Receives, waiting until the deadline. With `Ok` the message is there.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[track_caller]
    #[inline(always)]
    pub(super) unsafe fn recv(
        &self,
        into: *mut T,
        deadline: Option<Instant>,
    ) -> Result<(), Missed> {
        on_buffered!(&self.flavor,
            // SAFETY: reserved just now, and there is room.
            channel => unsafe { channel.take(channel.reserve(deadline)?, into) },
            // SAFETY: as the caller says.
            zero => return unsafe { zero.recv(into, deadline) },
        );
        Ok(())
    }

    /// The same without waiting.
    ///
    /// # Safety
    ///
    /// As for [`Shared::recv`].
    #[inline(always)]
    pub(super) unsafe fn try_recv(&self, into: *mut T) -> Result<(), Missed> {
        on_buffered!(&self.flavor,
            // SAFETY: reserved just now, and there is room.
            channel => unsafe { channel.take(channel.try_reserve()?, into) },
            // SAFETY: as the caller says.
            zero => return unsafe { zero.try_recv(into) },
        );
        Ok(())
    }
}
