//! The channel without capacity: a message goes from a sender to a receiver when both are there.
//!
//! Whoever comes second finds the first by its node's tag, a [`Packet`], and does the exchange under the lock of the list in
//! which the first waits: the message is copied from the sender's frame into the receiver's. So a wait that was completed has
//! its message, or has got rid of it. To get into the list and to look into the other is done under one lock, `pairing`, by
//! both sides: otherwise two that come at the same time could each find the other, leave the list to meet it, and find nobody,
//! again and again.
//!
//! Where one of the two selects, being found is not yet the exchange. Then whoever comes second leaves a [`Meeting`] in the
//! packet of the first, and they go on there (`meeting.rs`). A receiver that has selected and does not receive leaves what
//! it was brought to the channel: the next receiver gets it before it looks for a sender.

use std::time::Instant;

use super::buffered::Missed;
use super::destructors::Panics;
use super::meeting::Meeting;
use super::packet::{OBSERVER, Packet, is_no_observer};
use super::returned::Returned;
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering, fence};
use crate::primitive::sync::{Arc, Mutex};
use crate::wait::{Enqueue, Given, Locked, Node, Outcome, Token, WaitQueue, wait_any};

/// The channel.
#[derive(Debug)]
pub(super) struct Rendezvous<T> {
    pairing: Mutex<()>,
    /// Tagged with a `Packet` each, or `OBSERVER`.
    senders: WaitQueue<()>,
    receivers: WaitQueue<()>,
    /// With a message each, which was selected and not received.
    returned: Returned<Arc<Meeting<T>>>,
    closed: AtomicBool,
}

/// What became of looking for a counterpart.
enum Found<T> {
    /// The message has changed hands.
    Moved,
    /// The two go on here.
    Meeting(Arc<Meeting<T>>),
}

impl<T> Rendezvous<T> {
    /// Nobody is there.
    pub(super) fn new() -> Rendezvous<T> {
        Rendezvous {
            pairing: Mutex::new(()),
            senders: WaitQueue::new(()),
            receivers: WaitQueue::new(()),
            returned: Returned::new(),
            closed: AtomicBool::new(false),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// One side is gone: nobody waits any more.
    pub(super) fn close(&self) {
        let pairing = self.pairing.lock();
        self.closed.store(true, Ordering::Release);
        drop(pairing);
        self.receivers.lock().complete_all(Token::Closed);
        self.senders.lock().complete_all(Token::Closed);
    }

    /// The receivers are gone: nobody will want what was put back.
    pub(super) fn discard(&self) {
        let mut panics = Panics::default();
        while let Some(meeting) = self.returned.take() {
            // SAFETY: the sender has brought its message, and the receiver has left it.
            panics.catch(|| unsafe { meeting.discard() });
        }
        panics.resume();
    }

    /// Hands the message to a receiver that waits, if there is one.
    ///
    /// # Safety
    ///
    /// The message is there. With `Ok` it has been moved out.
    pub(super) unsafe fn try_send(&self, message: *const T) -> Result<(), Missed> {
        self.find_receiver(Some(message)).map(drop)
    }

    /// Selects a receiver that waits, if there is one, for a message that comes later.
    pub(super) fn try_promise(&self) -> Result<Arc<Meeting<T>>, Missed> {
        match self.find_receiver(None)? {
            Found::Meeting(meeting) => Ok(meeting),
            Found::Moved => unreachable!("there was no message to be moved"),
        }
    }

    fn find_receiver(&self, message: Option<*const T>) -> Result<Found<T>, Missed> {
        if self.is_closed() {
            return Err(Missed::Closed);
        }
        let found = find(&self.receivers, |receiver| {
            match (message, receiver.message::<T>()) {
                (Some(message), Some(room)) => {
                    // SAFETY: the message is there, and so is the receiver, with room for it. It looks there only if its
                    // wait is completed now, so until then the message is still the sender's.
                    unsafe { room.copy_from_nonoverlapping(message, 1) };
                    Found::Moved
                }
                (Some(message), None) => {
                    // SAFETY: as above: a meeting that does not take place is dropped, and drops no message.
                    receiver.meet(Arc::new(unsafe { Meeting::brought(message) }));
                    Found::Moved
                }
                (None, _) => receiver.go_on_at(Meeting::expected()),
            }
        });
        found.ok_or(Missed::NotNow)
    }

    /// Takes a message from a sender that waits, if there is one: from one that selects when it brings it.
    ///
    /// # Safety
    ///
    /// There is room for the message. With `Ok` it is there.
    #[track_caller]
    pub(super) unsafe fn try_recv(&self, into: *mut T) -> Result<(), Missed> {
        loop {
            match self.find_sender(Some(into))? {
                Found::Moved => return Ok(()),
                // SAFETY: as the caller says.
                Found::Meeting(meeting) if unsafe { meeting.receive(into) } => return Ok(()),
                Found::Meeting(_) => {}
            }
        }
    }

    /// Selects a sender that waits, if there is one, or a message that was put back.
    pub(super) fn try_find(&self) -> Result<Arc<Meeting<T>>, Missed> {
        match self.find_sender(None)? {
            Found::Meeting(meeting) => Ok(meeting),
            Found::Moved => unreachable!("there was no room to move to"),
        }
    }

    fn find_sender(&self, room: Option<*mut T>) -> Result<Found<T>, Missed> {
        if let Some(meeting) = self.returned.take() {
            return Ok(Found::Meeting(meeting));
        }
        let found = find(&self.senders, |sender| {
            match (sender.message::<T>(), room) {
                (Some(message), Some(room)) => {
                    // SAFETY: the sender is there, with its message, which is the caller's if the wait is completed now; and
                    // the caller has room for it.
                    unsafe { room.copy_from_nonoverlapping(message, 1) };
                    Found::Moved
                }
                (Some(message), None) => sender.go_on_at(Meeting::offered(message)),
                (None, _) => sender.go_on_at(Meeting::expected()),
            }
        });
        match found {
            Some(found) => Ok(found),
            None if !self.is_closed() => Err(Missed::NotNow),
            None => self
                .returned
                .take()
                .map(Found::Meeting)
                .ok_or(Missed::Closed),
        }
    }

    /// Sends, waiting for a receiver until the deadline. A kill unwinds from here while nobody has the message.
    ///
    /// # Safety
    ///
    /// The message is there. With `Ok` it has been moved out.
    #[track_caller]
    pub(super) unsafe fn send(
        &self,
        message: *const T,
        deadline: Option<Instant>,
    ) -> Result<(), Missed> {
        loop {
            // SAFETY: as the caller says.
            match unsafe { self.try_send(message) } {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            let packet = Packet::with(message.cast_mut());
            let side = SenderSide(self);
            match wait_any(&[(&side, packet.tag())], WaitKind::Send, deadline) {
                Outcome::Completed(_, Token::Given) => match met::<T>(&packet) {
                    None => return Ok(()),
                    Some(meeting) if meeting.until_received() => return Ok(()),
                    Some(_) => {}
                },
                Outcome::TimedOut => return Err(Missed::NotNow),
                _ => {}
            }
        }
    }

    /// Receives, waiting for a sender until the deadline. A kill unwinds from here while there is no message yet.
    ///
    /// # Safety
    ///
    /// There is room for the message. With `Ok` it is there.
    #[track_caller]
    pub(super) unsafe fn recv(
        &self,
        into: *mut T,
        deadline: Option<Instant>,
    ) -> Result<(), Missed> {
        loop {
            // SAFETY: as the caller says.
            match unsafe { self.try_recv(into) } {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            let packet = Packet::with(into);
            let side = ReceiverSide(self);
            match wait_any(&[(&side, packet.tag())], WaitKind::Receive, deadline) {
                Outcome::Completed(_, Token::Given) => match met::<T>(&packet) {
                    None => return Ok(()),
                    // SAFETY: as the caller says.
                    Some(meeting) if unsafe { meeting.receive(into) } => return Ok(()),
                    Some(_) => {}
                },
                Outcome::TimedOut => return Err(Missed::NotNow),
                _ => {}
            }
        }
    }

    /// The caller, which has selected, does not come to the meeting. A message that lies there goes back to the channel.
    pub(super) fn abandon(&self, meeting: Arc<Meeting<T>>) {
        if meeting.leave() {
            self.returned.put(0, meeting);
            // As in `buffered.rs`, "No wake-up is lost".
            fence(Ordering::SeqCst);
            let mut receivers = self.receivers.lock();
            tell_first(&mut receivers, is_no_observer);
            tell_observers(&mut receivers);
        }
    }

    /// A receiver waits, or none will ever come.
    pub(super) fn can_send(&self) -> bool {
        has_counterpart(&self.receivers) || self.is_closed()
    }

    /// A sender waits, or a message that was put back, or none will ever come.
    pub(super) fn can_recv(&self) -> bool {
        self.returned.len() != 0 || has_counterpart(&self.senders) || self.is_closed()
    }
}

impl<T> Drop for Rendezvous<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// A waiter's packet, under the lock of its list, before its wait is completed.
struct Counterpart<'a>(&'a Packet);

impl Counterpart<'_> {
    fn message<T>(&self) -> Option<*mut T> {
        self.0.message()
    }

    fn meet<T>(&self, meeting: Arc<Meeting<T>>) {
        // SAFETY: under the lock; its list is one of a channel of `T`s; and it was not completed before, or taken back.
        unsafe { self.0.leave(meeting) };
    }

    fn go_on_at<T>(&self, meeting: Meeting<T>) -> Found<T> {
        let meeting = Arc::new(meeting);
        self.meet(Arc::clone(&meeting));
        Found::Meeting(meeting)
    }
}

/// Completes the wait of the first of `waiters` that is no observer and still waits, after `offer` to it.
fn find<T>(
    waiters: &WaitQueue<()>,
    mut offer: impl FnMut(Counterpart<'_>) -> Found<T>,
) -> Option<Found<T>> {
    let mut locked = waiters.lock();
    loop {
        let given = locked.give(
            is_no_observer,
            Token::Given,
            // SAFETY: the tag of a node in the list, under its lock.
            |tag| offer(Counterpart(unsafe { Packet::of_tag(tag) })),
            // What was copied does not count, and a meeting does not take place.
            // SAFETY: as above.
            |tag, _| drop(unsafe { Packet::of_tag(tag).take_meeting::<T>() }),
        );
        match given {
            Given::Taken(found) => return Some(found),
            Given::Withdrawn => {}
            Given::Nobody => return None,
        }
    }
}

/// What a counterpart has left with one whose wait is over; `None`: the message has changed hands.
fn met<T>(packet: &Packet) -> Option<Arc<Meeting<T>>> {
    // SAFETY: the wait is over, and was one for a channel of `T`s.
    unsafe { packet.take_meeting() }
}

fn has_counterpart(waiters: &WaitQueue<()>) -> bool {
    waiters.lock().first_tag_of(is_no_observer).is_some()
}

/// `false`: there is none.
fn tell_first(waiters: &mut Locked<'_, ()>, wanted: fn(usize) -> bool) -> bool {
    loop {
        match waiters.give(wanted, Token::Retry, |_| (), |_, ()| ()) {
            Given::Taken(()) => return true,
            Given::Withdrawn => {}
            Given::Nobody => return false,
        }
    }
}

/// Those who only want to know are told that somebody has come.
fn tell_observers(waiters: &mut Locked<'_, ()>) {
    while tell_first(waiters, |tag| tag == OBSERVER) {}
}

/// Waits among others to send.
pub(super) struct SenderSide<'a, T>(pub(super) &'a Rendezvous<T>);

/// Waits among others to receive.
pub(super) struct ReceiverSide<'a, T>(pub(super) &'a Rendezvous<T>);

impl<T> Enqueue for SenderSide<'_, T> {
    fn link(&self, node: &Node) -> bool {
        link(self.0, &self.0.senders, &self.0.receivers, node)
    }

    fn unlink(&self, node: &Node) {
        self.0.senders.unlink(node);
    }
}

impl<T> Enqueue for ReceiverSide<'_, T> {
    fn link(&self, node: &Node) -> bool {
        // In the list first, and then the look: see `abandon`.
        link(self.0, &self.0.receivers, &self.0.senders, node) || self.0.returned.len() != 0
    }

    fn unlink(&self, node: &Node) {
        self.0.receivers.unlink(node);
    }
}

fn link<T>(
    channel: &Rendezvous<T>,
    mine: &WaitQueue<()>,
    theirs: &WaitQueue<()>,
    node: &Node,
) -> bool {
    let _pairing = channel.pairing.lock();
    mine.link(node);
    let mut theirs = theirs.lock();
    if is_no_observer(node.tag()) {
        tell_observers(&mut theirs);
    }
    channel.is_closed() || theirs.has_others(node, is_no_observer)
}
