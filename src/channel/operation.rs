//! What a `select` needs of one operation: a send, or a receive, on one channel.
//!
//! Whoever selects need not be on the thread of those who may send and receive: a list of operations may go to another, even
//! if a message may not. So an [`Operation`] has to do with places, meetings and times, and never with a message: it moves
//! none and drops none. That is done by [`Sender::complete`] and [`Receiver::complete`], which need the sender, or the
//! receiver, itself.

use std::time::Instant;

use super::buffered::Missed;
use super::error::SendError;
use super::meeting::Meeting;
use super::packet::Packet;
use super::receiver::{Receiver, Source};
use super::rendezvous::{ReceiverSide, SenderSide};
use super::sender::Sender;
use super::shared::{Flavor, on_buffered};
use super::store::Place;
use crate::primitive::sync::Arc;
use crate::wait::{Enqueue, Node, Token};

/// A send or a receive that may be selected. Waits as an [`Enqueue`], with a [`Packet`]'s tag or as an observer.
///
/// # Safety
///
/// All of it, and of its [`Enqueue`], may be called on any thread, whatever the type of the messages.
pub(super) unsafe trait Operation: Enqueue {
    /// Begins it, if that needs no waiting.
    fn begin(&self) -> Option<Begun>;
    /// It could begin now.
    fn is_ready(&self) -> bool;
    /// When it will be ready by itself, if it will.
    fn ready_at(&self) -> Option<Instant>;
    /// The wait that was entered with this packet was completed by `token`: begins it with what was left there.
    fn accept(&self, token: Token, packet: &Packet) -> Option<Begun>;
    /// It was told of a chance that it does not take: tells the next who waits.
    fn pass_on(&self);
    /// Takes it back after it has begun: what was reserved is as if nobody had.
    fn abandon(&self, begun: Begun);
}

/// An operation that has been selected, and must be completed or abandoned.
#[must_use = "what was reserved is somebody's"]
pub(super) enum Begun {
    /// The other side is gone.
    Disconnected,
    /// To write to, or to read from, in a channel that holds messages.
    Place(Place),
    /// With one of the other side: an `Arc<Meeting<T>>`.
    Meeting(*const ()),
    /// The clock's message.
    Time(Instant),
}

impl Begun {
    fn at<T>(meeting: Arc<Meeting<T>>) -> Begun {
        Begun::Meeting(Arc::into_raw(meeting).cast())
    }
}

/// # Safety
///
/// From a `Begun::Meeting` of a channel of `T`s, which is used here for the last time.
unsafe fn meeting_of<T>(meeting: *const ()) -> Arc<Meeting<T>> {
    // SAFETY: as the caller says.
    unsafe { Arc::from_raw(meeting.cast()) }
}

impl<T> Enqueue for Sender<T> {
    fn link(&self, node: &Node) -> bool {
        on_buffered!(&self.shared.flavor,
            channel => channel.link_sender(node),
            zero => SenderSide(zero).link(node))
    }

    fn unlink(&self, node: &Node) {
        on_buffered!(&self.shared.flavor,
            channel => channel.unlink_sender(node),
            zero => SenderSide(zero).unlink(node));
    }
}

// SAFETY: places, meetings and lists of waiters are under locks and atomics; no message is touched.
unsafe impl<T> Operation for Sender<T> {
    fn begin(&self) -> Option<Begun> {
        begun(on_buffered!(&self.shared.flavor,
            channel => channel.select_send().map(Begun::Place),
            zero => zero.try_promise().map(Begun::at)))
    }

    fn is_ready(&self) -> bool {
        on_buffered!(&self.shared.flavor,
            channel => channel.can_send(),
            zero => zero.can_send())
    }

    fn ready_at(&self) -> Option<Instant> {
        None
    }

    fn accept(&self, token: Token, packet: &Packet) -> Option<Begun> {
        accepted::<T>(token, packet).or_else(|| self.begin())
    }

    fn pass_on(&self) {
        on_buffered!(&self.shared.flavor,
            channel => channel.pass_on_to_senders(),
            _zero => ());
    }

    fn abandon(&self, begun: Begun) {
        match begun {
            Begun::Place(place) => on_buffered!(&self.shared.flavor,
                // SAFETY: claimed by `begin`.
                channel => unsafe { channel.give_up(place) },
                _zero => unreachable!("it has no places")),
            Begun::Meeting(meeting) => {
                // SAFETY: made by `begin` or `accept`.
                unsafe { meeting_of::<T>(meeting) }.leave();
            }
            Begun::Disconnected | Begun::Time(_) => {}
        }
    }
}

impl<T> Sender<T> {
    /// Completes a send that was selected.
    #[track_caller]
    pub(super) fn complete(&self, begun: Begun, message: T) -> Result<(), SendError<T>> {
        let at = &raw const message;
        let sent = match begun {
            Begun::Place(place) => {
                on_buffered!(&self.shared.flavor,
                    // SAFETY: claimed by `begin`; the message is there.
                    channel => unsafe { channel.fill(place, at) },
                    _zero => unreachable!("it has no places"));
                Ok(())
            }
            Begun::Meeting(meeting) => {
                // SAFETY: made by `begin` or `accept`.
                let meeting = unsafe { meeting_of::<T>(meeting) };
                // SAFETY: the message is there.
                if unsafe { meeting.bring(at) } {
                    Ok(())
                } else {
                    // A receiver that gives up after all: then another is as good.
                    // SAFETY: the message is there.
                    unsafe { self.shared.send(at, None) }
                }
            }
            Begun::Disconnected | Begun::Time(_) => Err(Missed::Closed),
        };
        match sent {
            Ok(()) => self.sent(message),
            Err(_) => return Err(SendError(message)),
        }
        Ok(())
    }
}

impl<T> Enqueue for Receiver<T> {
    fn link(&self, node: &Node) -> bool {
        match &self.source {
            Source::Shared(shared) => on_buffered!(&shared.flavor,
                channel => channel.link_receiver(node),
                zero => ReceiverSide(zero).link(node)),
            Source::Clock(clock, _) => clock.link(node),
            Source::Never => false,
        }
    }

    fn unlink(&self, node: &Node) {
        match &self.source {
            Source::Shared(shared) => on_buffered!(&shared.flavor,
                channel => channel.unlink_receiver(node),
                zero => ReceiverSide(zero).unlink(node)),
            Source::Clock(clock, _) => clock.unlink(node),
            Source::Never => {}
        }
    }
}

// SAFETY: as for senders; a clock knows times alone.
unsafe impl<T> Operation for Receiver<T> {
    fn begin(&self) -> Option<Begun> {
        match &self.source {
            Source::Shared(shared) => begun(on_buffered!(&shared.flavor,
                channel => channel.select_recv().map(Begun::Place),
                zero => zero.try_find().map(Begun::at))),
            Source::Clock(clock, _) => clock.take().map(Begun::Time),
            Source::Never => None,
        }
    }

    fn is_ready(&self) -> bool {
        match &self.source {
            Source::Shared(shared) => on_buffered!(&shared.flavor,
                channel => channel.can_recv(),
                zero => zero.can_recv()),
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

    fn accept(&self, token: Token, packet: &Packet) -> Option<Begun> {
        accepted::<T>(token, packet).or_else(|| self.begin())
    }

    fn pass_on(&self) {
        match &self.source {
            Source::Shared(shared) => on_buffered!(&shared.flavor,
                channel => channel.pass_on_to_receivers(),
                _zero => ()),
            Source::Clock(clock, _) => clock.pass_on(),
            Source::Never => {}
        }
    }

    fn abandon(&self, begun: Begun) {
        match (&self.source, begun) {
            (Source::Shared(shared), Begun::Place(place)) => on_buffered!(&shared.flavor,
                // SAFETY: reserved by `begin`.
                channel => unsafe { channel.put_back(place) },
                _zero => unreachable!("it has no places")),
            (Source::Shared(shared), Begun::Meeting(meeting)) => on_buffered!(&shared.flavor,
                _channel => unreachable!("nobody is met there"),
                // SAFETY: made by `begin` or `accept`.
                zero => zero.abandon(unsafe { meeting_of(meeting) })),
            (Source::Clock(clock, _), Begun::Time(at)) => clock.put_back(at),
            _ => {}
        }
    }
}

impl<T> Receiver<T> {
    /// Completes a receive that was selected. `Ok`: the message is there.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[track_caller]
    pub(super) unsafe fn complete(&self, begun: Begun, into: *mut T) -> Result<(), Missed> {
        match (&self.source, begun) {
            (Source::Shared(shared), Begun::Place(place)) => on_buffered!(&shared.flavor,
                // SAFETY: reserved by `begin`, and there is room.
                channel => unsafe { channel.take(place, into) },
                _zero => unreachable!("it has no places")),
            (Source::Shared(shared), Begun::Meeting(meeting)) => {
                // SAFETY: made by `begin` or `accept`, and there is room.
                if !unsafe { meeting_of::<T>(meeting).receive(into) } {
                    // A sender that gives up after all: then another's message is as good.
                    // SAFETY: there is room.
                    return unsafe { shared.recv(into, None) };
                }
            }
            // SAFETY: there is room.
            (Source::Clock(_, message_of), Begun::Time(at)) => unsafe {
                into.write(message_of(at))
            },
            _ => return Err(Missed::Closed),
        }
        Ok(())
    }
}

/// What a counterpart has left in the packet. In a channel that holds messages nobody leaves anything.
fn accepted<T>(token: Token, packet: &Packet) -> Option<Begun> {
    // SAFETY: the wait is over, and the packet was in a list of a channel of `T`s.
    (token == Token::Given)
        .then(|| unsafe { packet.take_meeting::<T>() }.map(Begun::at))
        .flatten()
}

fn begun(begun: Result<Begun, Missed>) -> Option<Begun> {
    match begun {
        Ok(begun) => Some(begun),
        Err(Missed::Closed) => Some(Begun::Disconnected),
        Err(Missed::NotNow) => None,
    }
}
