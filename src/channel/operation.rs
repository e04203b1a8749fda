//! What a `select` needs of one operation: a send, or a receive, on one channel.

use std::time::Instant;

use super::buffered::Missed;
use super::erased::Erased;
use super::receiver::{Receiver, Source};
use super::rendezvous::{Content, Meeting, OBSERVER, Packet, ReceiverSide, SenderSide, Transfer};
use super::ring::Place;
use super::sender::Sender;
use super::shared::{Flavor, on_flavor};
use crate::primitive::sync::Arc;
use crate::wait::{Enqueue, Node, Token};

/// A send or a receive that may be selected. Waits as an [`Enqueue`].
pub(super) trait Operation: Enqueue {
    /// Begins it, if that needs no waiting.
    fn begin(&self) -> Option<Begun>;
    /// It could begin now.
    fn is_ready(&self) -> bool;
    /// When it will be ready by itself, if it will.
    fn ready_at(&self) -> Option<Instant>;
    /// What its waiter needs to be found by, beside its node.
    fn parcel(&self) -> Parcel;
    /// Its waiter was completed: begins it with what was put into the parcel.
    fn accept(&self, token: Token, parcel: Parcel) -> Option<Begun>;
    /// It was told of a chance that it does not take: tells the next who waits.
    fn pass_on(&self);
    /// Takes it back after it has begun.
    fn abandon(&self, begun: Begun);
}

/// An operation that has been selected, and waits to be completed.
pub(super) enum Begun {
    /// The other side is gone.
    Disconnected,
    /// A receive: a [`Transfer`].
    Receive(Erased),
    /// A send that has a place, in a channel that holds messages.
    Place(Option<Place>),
    /// A send to a receiver that waits: an `Arc<Meeting>`.
    Meeting(Erased),
}

/// A packet of some type, or nothing.
pub(super) struct Parcel {
    pub(super) tag: usize,
    packet: Option<Erased>,
}

impl Parcel {
    /// For one who only wants to know, or whose channel hands nothing over.
    pub(super) const NONE: Parcel = Parcel {
        tag: OBSERVER,
        packet: None,
    };

    fn new<T>(content: Content<T>) -> Parcel {
        let packet = Box::new(Packet::new(content));
        Parcel {
            tag: packet.tag(),
            packet: Some(Erased::new(packet)),
        }
    }

    /// # Safety
    ///
    /// It must have been made for the same `T`.
    unsafe fn into_content<T>(self) -> Option<Content<T>> {
        // SAFETY: as the caller says.
        let packet = self
            .packet
            .map(|packet| unsafe { packet.into::<Box<Packet<T>>>() })?;
        Some(packet.into_content())
    }
}

impl<T> Enqueue for Sender<T> {
    fn link(&self, node: &Node) -> bool {
        match &self.shared.flavor {
            Flavor::Bounded(channel) => channel.link_sender(node),
            Flavor::Unbounded(channel) => channel.link_sender(node),
            Flavor::Zero(channel) => SenderSide(channel).link(node),
        }
    }

    fn unlink(&self, node: &Node) {
        match &self.shared.flavor {
            Flavor::Bounded(channel) => channel.unlink_sender(node),
            Flavor::Unbounded(channel) => channel.unlink_sender(node),
            Flavor::Zero(channel) => SenderSide(channel).unlink(node),
        }
    }
}

impl<T> Operation for Sender<T> {
    fn begin(&self) -> Option<Begun> {
        let claimed = match &self.shared.flavor {
            Flavor::Bounded(channel) => channel.claim().map(Begun::Place),
            Flavor::Unbounded(channel) => channel.claim().map(Begun::Place),
            Flavor::Zero(channel) => channel
                .try_promise()
                .map(|meeting| Begun::Meeting(Erased::new(meeting))),
        };
        begun(claimed)
    }

    fn is_ready(&self) -> bool {
        on_flavor!(&self.shared.flavor, channel => channel.can_send())
    }

    fn ready_at(&self) -> Option<Instant> {
        None
    }

    fn parcel(&self) -> Parcel {
        match &self.shared.flavor {
            Flavor::Zero(_) => Parcel::new::<T>(Content::Later),
            _ => Parcel::NONE,
        }
    }

    fn accept(&self, token: Token, parcel: Parcel) -> Option<Begun> {
        if token == Token::Given {
            // SAFETY: made by `parcel`, above.
            if let Some(Content::Meeting(meeting)) = unsafe { parcel.into_content::<T>() } {
                return Some(Begun::Meeting(Erased::new(meeting)));
            }
        }
        self.begin()
    }

    fn pass_on(&self) {
        match &self.shared.flavor {
            Flavor::Bounded(channel) => channel.pass_on_to_senders(),
            Flavor::Unbounded(_) | Flavor::Zero(_) => {}
        }
    }

    fn abandon(&self, begun: Begun) {
        match begun {
            Begun::Place(place) => self.fill(place, None),
            // SAFETY: made by `begin` or `accept`, above.
            Begun::Meeting(meeting) => unsafe { meeting.into::<Arc<Meeting<T>>>() }.bring(None),
            Begun::Disconnected | Begun::Receive(_) => {}
        }
    }
}

impl<T> Sender<T> {
    /// Completes a send that was selected.
    pub(super) fn complete(&self, begun: Begun, message: T) -> Result<(), T> {
        match begun {
            Begun::Place(place) => {
                self.fill(place, Some(message));
                Ok(())
            }
            Begun::Meeting(meeting) => {
                // SAFETY: made by `begin` or `accept`, above.
                unsafe { meeting.into::<Arc<Meeting<T>>>() }.bring(Some(message));
                Ok(())
            }
            Begun::Disconnected | Begun::Receive(_) => Err(message),
        }
    }

    fn fill(&self, place: Option<Place>, message: Option<T>) {
        match &self.shared.flavor {
            Flavor::Bounded(channel) => channel.fill(place, message),
            Flavor::Unbounded(channel) => channel.fill(place, message),
            Flavor::Zero(_) => unreachable!("a channel without capacity has no places"),
        }
    }
}

impl<T> Enqueue for Receiver<T> {
    fn link(&self, node: &Node) -> bool {
        match &self.source {
            Source::Shared(shared) => match &shared.flavor {
                Flavor::Bounded(channel) => channel.link_receiver(node),
                Flavor::Unbounded(channel) => channel.link_receiver(node),
                Flavor::Zero(channel) => ReceiverSide(channel).link(node),
            },
            Source::Clock(clock, _) => clock.is_due(),
            Source::Never => false,
        }
    }

    fn unlink(&self, node: &Node) {
        if let Source::Shared(shared) = &self.source {
            match &shared.flavor {
                Flavor::Bounded(channel) => channel.unlink_receiver(node),
                Flavor::Unbounded(channel) => channel.unlink_receiver(node),
                Flavor::Zero(channel) => ReceiverSide(channel).unlink(node),
            }
        }
    }
}

impl<T> Operation for Receiver<T> {
    fn begin(&self) -> Option<Begun> {
        let message = |message| Begun::Receive(Erased::new(Transfer::Message(message)));
        match &self.source {
            Source::Shared(shared) => begun(match &shared.flavor {
                Flavor::Bounded(channel) => channel.try_recv().map(message),
                Flavor::Unbounded(channel) => channel.try_recv().map(message),
                Flavor::Zero(channel) => channel
                    .try_find()
                    .map(|found: Transfer<T>| Begun::Receive(Erased::new(found))),
            }),
            Source::Clock(clock, make) => clock.take().map(|at| message(make(at))),
            Source::Never => None,
        }
    }

    fn is_ready(&self) -> bool {
        match &self.source {
            Source::Shared(shared) => on_flavor!(&shared.flavor, channel => channel.can_recv()),
            Source::Clock(clock, _) => clock.is_due(),
            Source::Never => false,
        }
    }

    fn ready_at(&self) -> Option<Instant> {
        match &self.source {
            Source::Clock(clock, _) => clock.next(),
            _ => None,
        }
    }

    fn parcel(&self) -> Parcel {
        match &self.source {
            Source::Shared(shared) if matches!(shared.flavor, Flavor::Zero(_)) => {
                Parcel::new::<T>(Content::Empty)
            }
            _ => Parcel::NONE,
        }
    }

    fn accept(&self, token: Token, parcel: Parcel) -> Option<Begun> {
        if token == Token::Given {
            // SAFETY: made by `parcel`, above.
            let transfer = match unsafe { parcel.into_content::<T>() } {
                Some(Content::Message(message)) => Some(Transfer::Message(message)),
                Some(Content::Meeting(meeting)) => Some(Transfer::Meeting(meeting)),
                _ => None,
            };
            if let Some(transfer) = transfer {
                return Some(Begun::Receive(Erased::new(transfer)));
            }
        }
        self.begin()
    }

    fn pass_on(&self) {
        if let Source::Shared(shared) = &self.source {
            match &shared.flavor {
                Flavor::Bounded(channel) => channel.pass_on_to_receivers(),
                Flavor::Unbounded(channel) => channel.pass_on_to_receivers(),
                Flavor::Zero(_) => {}
            }
        }
    }

    fn abandon(&self, begun: Begun) {
        // A message that nobody takes is gone, as if it had been received and dropped.
        drop(begun);
    }
}

impl<T> Receiver<T> {
    /// Completes a receive that was selected; `None`: the senders are gone.
    #[track_caller]
    pub(super) fn complete(&self, begun: Begun) -> Option<T> {
        let Begun::Receive(transfer) = begun else {
            return None;
        };
        // SAFETY: made by `begin` or `accept`, above.
        match unsafe { transfer.into::<Transfer<T>>() } {
            Transfer::Message(message) => Some(message),
            // A sender that gives up after all leaves nothing: then another's message is as good.
            Transfer::Meeting(meeting) => meeting.receive().or_else(|| self.recv().ok()),
        }
    }
}

fn begun(begun: Result<Begun, Missed>) -> Option<Begun> {
    match begun {
        Ok(begun) => Some(begun),
        Err(Missed::Closed) => Some(Begun::Disconnected),
        Err(Missed::NotNow) => None,
    }
}
