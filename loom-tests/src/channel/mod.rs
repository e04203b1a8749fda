//! The library's channels, and as much of `channel/shared.rs` as the models need.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/channel/buffered.rs"]
mod buffered;
#[path = "../../../src/channel/destructors.rs"]
mod destructors;
#[path = "../../../src/channel/limited.rs"]
mod limited;
#[path = "../../../src/channel/list.rs"]
mod list;
#[path = "../../../src/channel/meeting.rs"]
mod meeting;
#[path = "../../../src/channel/packet.rs"]
mod packet;
#[path = "../../../src/channel/patience.rs"]
mod patience;
#[path = "../../../src/channel/rendezvous.rs"]
mod rendezvous;
#[path = "../../../src/channel/returned.rs"]
mod returned;
#[path = "../../../src/channel/ring.rs"]
mod ring;
#[path = "../../../src/channel/store.rs"]
mod store;

use std::mem::{self, MaybeUninit};
use std::time::Instant;

use buffered::{Buffered, Missed};
use limited::Limited;
use list::List;
use meeting::Meeting;
use packet::Packet;
use rendezvous::{ReceiverSide, Rendezvous, SenderSide};
use ring::Ring;
use store::Place;

use crate::greenlet::WaitKind;
use crate::primitive::sync::Arc;
use crate::wait::{Enqueue, Node, Outcome, Token, wait_any};

/// A channel that holds messages.
pub(crate) struct Channel<T>(Flavor<T>);

enum Flavor<T> {
    Bounded(Buffered<Ring<T>>),
    Large(Buffered<Limited<T>>),
    Unbounded(Buffered<List<T>>),
}

/// The same call on whichever it is.
macro_rules! on {
    ($channel:expr, $buffered:ident => $call:expr) => {
        match &$channel.0 {
            Flavor::Bounded($buffered) => $call,
            Flavor::Large($buffered) => $call,
            Flavor::Unbounded($buffered) => $call,
        }
    };
}

impl<T> Channel<T> {
    /// One that holds so many.
    pub(crate) fn bounded(capacity: usize) -> Channel<T> {
        Channel(Flavor::Bounded(Buffered::new(Ring::new(capacity))))
    }

    /// One that holds so many, and has no room in advance.
    pub(crate) fn large(capacity: usize) -> Channel<T> {
        Channel(Flavor::Large(Buffered::new(Limited::new(capacity))))
    }

    /// One that holds any number.
    pub(crate) fn unbounded() -> Channel<T> {
        Channel(Flavor::Unbounded(Buffered::new(List::new())))
    }

    /// Whether it was sent.
    pub(crate) fn send(&self, message: T, deadline: Option<Instant>) -> bool {
        match on!(self, channel => channel.claim(deadline)) {
            Ok(place) => self.fill(place, message),
            Err(_) => return false,
        }
        true
    }

    fn fill(&self, place: Place, message: T) {
        // SAFETY: it was claimed, and the message is there.
        on!(self, channel => unsafe { channel.fill(place, &raw const message) });
        mem::forget(message);
        on!(self, channel => channel.after_send());
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Option<T> {
        on!(self, channel => channel.reserve(deadline))
            .ok()
            .map(|place| self.take(place))
    }

    pub(crate) fn try_recv(&self) -> Option<T> {
        on!(self, channel => channel.try_reserve())
            .ok()
            .map(|place| self.take(place))
    }

    fn take(&self, place: Place) -> T {
        let mut message = MaybeUninit::uninit();
        // SAFETY: it was reserved, and there is room.
        on!(self, channel => unsafe { channel.take(place, message.as_mut_ptr()) });
        // SAFETY: it has been received.
        unsafe { message.assume_init() }
    }

    /// A `select` does so for a send that it has chosen.
    pub(crate) fn claim(&self) -> Option<Claimed<'_, T>> {
        let place = on!(self, channel => channel.select_send()).ok()?;
        Some(Claimed {
            channel: self,
            place,
        })
    }

    /// A `select` of a receive does so. `None`: the senders are gone.
    pub(crate) fn select(&self) -> Option<Reserved<'_, T>> {
        loop {
            match on!(self, channel => channel.select_recv()) {
                Err(Missed::NotNow) => {}
                reserved => {
                    return reserved.ok().map(|place| Reserved {
                        channel: self,
                        place,
                    });
                }
            }
            let _ = wait_any(&[(self, 0)], WaitKind::Select, None);
        }
    }

    /// A `select` does so for a receive that it has chosen.
    pub(crate) fn reserve(&self) -> Option<Reserved<'_, T>> {
        let place = on!(self, channel => channel.select_recv()).ok()?;
        Some(Reserved {
            channel: self,
            place,
        })
    }

    /// The last sender is dropped.
    pub(crate) fn leave_sending(&self) {
        on!(self, channel => channel.close());
    }

    /// The last receiver is dropped.
    pub(crate) fn leave_receiving(&self) {
        on!(self, channel => channel.close());
        on!(self, channel => channel.discard());
    }
}

/// A place that a `select` has for its message.
pub(crate) struct Claimed<'a, T> {
    channel: &'a Channel<T>,
    place: Place,
}

impl<T> Claimed<'_, T> {
    pub(crate) fn fill(self, message: T) {
        self.channel.fill(self.place, message);
    }

    pub(crate) fn give_up(self) {
        // SAFETY: it was claimed.
        on!(self.channel, channel => unsafe { channel.give_up(self.place) });
    }
}

/// A message that a `select` has to itself.
pub(crate) struct Reserved<'a, T> {
    channel: &'a Channel<T>,
    place: Place,
}

impl<T> Reserved<'_, T> {
    pub(crate) fn take(self) -> T {
        self.channel.take(self.place)
    }

    pub(crate) fn put_back(self) {
        // SAFETY: it was reserved.
        on!(self.channel, channel => unsafe { channel.put_back(self.place) });
    }
}

/// As a receive does in a `select`.
impl<T> Enqueue for Channel<T> {
    fn link(&self, node: &Node) -> bool {
        on!(self, channel => channel.link_receiver(node))
    }

    fn unlink(&self, node: &Node) {
        on!(self, channel => channel.unlink_receiver(node));
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
        // SAFETY: the message is there, and forgotten if it was moved out.
        match unsafe { self.0.send(&raw const message, deadline) } {
            Ok(()) => mem::forget(message),
            Err(_) => return Err(message),
        }
        Ok(())
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Option<T> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room.
        unsafe { self.0.recv(message.as_mut_ptr(), deadline) }.ok()?;
        // SAFETY: it has been received.
        Some(unsafe { message.assume_init() })
    }

    /// A `select` of a receive does so. `None`: the senders are gone.
    pub(crate) fn select_recv(&self) -> Option<Met<'_, T>> {
        loop {
            match self.0.try_find() {
                Ok(meeting) => return Some(self.met(meeting)),
                Err(Missed::Closed) => return None,
                Err(Missed::NotNow) => {}
            }
            if let Some(met) = self.until_met(&ReceiverSide(&self.0)) {
                return Some(met);
            }
        }
    }

    /// A `select` of a send does so. `None`: the receivers are gone.
    pub(crate) fn select_send(&self) -> Option<Met<'_, T>> {
        loop {
            match self.0.try_promise() {
                Ok(meeting) => return Some(self.met(meeting)),
                Err(Missed::Closed) => return None,
                Err(Missed::NotNow) => {}
            }
            if let Some(met) = self.until_met(&SenderSide(&self.0)) {
                return Some(met);
            }
        }
    }

    fn until_met(&self, side: &dyn Enqueue) -> Option<Met<'_, T>> {
        let packet = Packet::empty();
        match wait_any(&[(side, packet.tag())], WaitKind::Select, None) {
            Outcome::Completed(_, Token::Given) => {
                // SAFETY: the wait is over, and was one for this channel.
                unsafe { packet.take_meeting() }.map(|meeting| self.met(meeting))
            }
            _ => None,
        }
    }

    fn met(&self, meeting: Arc<Meeting<T>>) -> Met<'_, T> {
        Met {
            channel: self,
            meeting,
        }
    }

    /// One side is dropped.
    pub(crate) fn leave(&self) {
        self.0.close();
    }

    /// The other side is gone, as who tries to receive finds.
    pub(crate) fn is_left(&self) -> bool {
        self.recv(None).is_none()
    }
}

/// One of the other side whom a `select` has chosen.
pub(crate) struct Met<'a, T> {
    channel: &'a Zero<T>,
    meeting: Arc<Meeting<T>>,
}

impl<T> Met<'_, T> {
    /// `None`: the sender has left.
    pub(crate) fn receive(self) -> Option<T> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room; and then a message, if it says so.
        unsafe {
            let received = self.meeting.receive(message.as_mut_ptr());
            received.then(|| message.assume_init())
        }
    }

    /// The message comes back if the receiver has left.
    pub(crate) fn bring(self, message: T) -> Option<T> {
        // SAFETY: the message is there, and forgotten if it was moved out.
        if unsafe { self.meeting.bring(&raw const message) } {
            mem::forget(message);
            return None;
        }
        Some(message)
    }

    pub(crate) fn receiver_leaves(self) {
        self.channel.0.abandon(self.meeting);
    }

    pub(crate) fn sender_leaves(self) {
        self.meeting.leave();
    }
}
