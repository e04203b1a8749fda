//! What the two sides of a channel share.

use std::ptr;
use std::time::Instant;

use crossbeam_queue::SegQueue;

use super::buffered::{Buffered, Missed, Store};
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
    Bounded(Buffered<Ring<T>>),
    Unbounded(Buffered<SegQueue<T>>),
    Zero(Rendezvous<T>),
}

/// The same call on whichever it is.
macro_rules! on_flavor {
    ($flavor:expr, $channel:ident => $call:expr) => {
        match $flavor {
            Flavor::Bounded($channel) => $call,
            Flavor::Unbounded($channel) => $call,
            Flavor::Zero($channel) => $call,
        }
    };
}
pub(super) use on_flavor;

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
        // AcqRel, as `Arc`'s: what all of them sent comes before the closing.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            on_flavor!(&self.flavor, channel => channel.close());
        }
    }

    /// One holder fewer. The last closes the channel and drops what is in it.
    pub(super) fn remove_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            on_flavor!(&self.flavor, channel => channel.close());
            match &self.flavor {
                Flavor::Bounded(channel) => channel.discard(),
                Flavor::Unbounded(channel) => channel.discard(),
                Flavor::Zero(_) => {}
            }
        }
    }

    /// How many messages are in it.
    pub(super) fn len(&self) -> usize {
        match &self.flavor {
            Flavor::Bounded(channel) => channel.store().len(),
            Flavor::Unbounded(channel) => channel.store().len(),
            Flavor::Zero(_) => 0,
        }
    }

    /// How many it holds; `None`: any number.
    pub(super) fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Bounded(channel) => Store::<T>::capacity(channel.store()),
            Flavor::Unbounded(_) => None,
            Flavor::Zero(_) => Some(0),
        }
    }

    /// Sends, waiting until the deadline.
    #[track_caller]
    #[inline(always)]
    pub(super) fn send(&self, message: T, deadline: Option<Instant>) -> Result<(), (T, Missed)> {
        on_flavor!(&self.flavor, channel => channel.send(message, deadline))
    }

    /// Sends without waiting.
    #[inline]
    pub(super) fn try_send(&self, message: T) -> Result<(), (T, Missed)> {
        on_flavor!(&self.flavor, channel => channel.try_send(message))
    }

    /// Receives, waiting until the deadline.
    #[track_caller]
    #[inline(always)]
    pub(super) fn recv(&self, deadline: Option<Instant>) -> Result<T, Missed> {
        on_flavor!(&self.flavor, channel => channel.recv(deadline))
    }

    /// Receives without waiting.
    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, Missed> {
        on_flavor!(&self.flavor, channel => channel.try_recv())
    }
}
