//! The library's channels, and as much of `channel/shared.rs` as the models need.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/channel/buffered.rs"]
mod buffered;
#[path = "../../../src/channel/patience.rs"]
mod patience;
#[path = "../../../src/channel/rendezvous.rs"]
mod rendezvous;
#[path = "../../../src/channel/ring.rs"]
mod ring;

use std::time::Instant;

use buffered::{Buffered, Missed};
use rendezvous::Rendezvous;
use ring::{Place, Ring};

use crate::wait::{Enqueue, Node};

/// A channel that holds so many messages.
pub(crate) struct Bounded<T>(Buffered<Ring<T>>);

impl<T> Bounded<T> {
    pub(crate) fn new(capacity: usize) -> Bounded<T> {
        Bounded(Buffered::new(Ring::new(capacity)))
    }

    /// Whether it was sent.
    pub(crate) fn send(&self, message: T, deadline: Option<Instant>) -> bool {
        self.0.send(message, deadline).is_ok()
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Option<T> {
        self.0.recv(deadline).ok()
    }

    pub(crate) fn try_recv(&self) -> Option<T> {
        self.0.try_recv().ok()
    }

    /// A `select` does so for a send that it has chosen.
    pub(crate) fn claim(&self) -> Option<Claimed<'_, T>> {
        let place = self.0.claim().ok()?;
        Some(Claimed {
            channel: self,
            place,
        })
    }

    /// The last sender is dropped.
    pub(crate) fn leave_sending(&self) {
        self.0.close();
    }

    /// The last receiver is dropped.
    pub(crate) fn leave_receiving(&self) {
        self.0.close();
        self.0.discard();
    }
}

/// A place that a `select` has for its message.
pub(crate) struct Claimed<'a, T> {
    channel: &'a Bounded<T>,
    place: Option<Place>,
}

impl<T> Claimed<'_, T> {
    /// Sends, or gives the place up.
    pub(crate) fn fill(self, message: Option<T>) {
        self.channel.0.fill(self.place, message);
    }
}

/// As a receive does in a `select`.
impl<T> Enqueue for Bounded<T> {
    fn link(&self, node: &Node) -> bool {
        self.0.link_receiver(node)
    }

    fn unlink(&self, node: &Node) {
        self.0.unlink_receiver(node);
    }
}

/// A channel without capacity.
pub(crate) struct Zero<T>(Rendezvous<T>);

impl<T> Zero<T> {
    pub(crate) fn new() -> Zero<T> {
        Zero(Rendezvous::new())
    }

    /// The message comes back if it was not sent.
    pub(crate) fn send(&self, message: T, deadline: Option<Instant>) -> Result<(), T> {
        self.0
            .send(message, deadline)
            .map_err(|(message, _)| message)
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Option<T> {
        self.0.recv(deadline).ok()
    }

    /// One side is dropped.
    pub(crate) fn leave(&self) {
        self.0.close();
    }

    /// The other side is gone, as who tries to receive finds.
    pub(crate) fn is_left(&self) -> bool {
        matches!(self.0.recv(None), Err(Missed::Closed))
    }
}
