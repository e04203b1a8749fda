//! The channel without capacity: a message goes from a sender to a receiver when both are there.
//!
//! Whoever comes second does the exchange, under the lock of the list in which the first waits: a message is put into a
//! receiver's [`Packet`], or taken out of a sender's. So a wait that was completed has its message, or has got rid of it. To
//! get into the list and to look into the other is done under one lock, `pairing`, by both sides: otherwise two that come at
//! the same time could each find the other, leave the list to meet it, and find nobody, again and again.
//!
//! A sender in a `select` has no message yet when it is found. Its receiver then leaves a [`Meeting`] with it, and waits
//! until the message is brought, or the sender gives up.

use std::cell::Cell;
use std::time::Instant;

use super::buffered::Missed;
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::cell::UnsafeCell;
use crate::primitive::sync::{Arc, Mutex};
use crate::wait::{
    Enqueue, Given, Locked, Node, Outcome, Shield, Token, Wait, WaitQueue, Waited, wait_any,
};

/// The channel.
#[derive(Debug)]
pub(super) struct Rendezvous<T> {
    pairing: Mutex<()>,
    /// Tagged with a `Packet<T>` each, or zero: one that only wants to know.
    senders: WaitQueue<()>,
    receivers: WaitQueue<()>,
    closed: AtomicBool,
    _messages: std::marker::PhantomData<fn(T) -> T>,
}

/// What a waiter has for its counterpart, or gets from it. Lies with the waiter until its wait is over.
#[derive(Debug)]
pub(super) struct Packet<T>(UnsafeCell<Content<T>>);

#[derive(Debug)]
pub(super) enum Content<T> {
    /// A receiver's, to be filled.
    Empty,
    /// A sender's, to be taken; or a receiver's, filled.
    Message(T),
    /// A sender's in a `select`, whose message is not known yet.
    Later,
    /// Such a sender's, with a receiver who waits.
    Meeting(Arc<Meeting<T>>),
}

/// Where a receiver waits for the message of a sender that a `select` has chosen.
#[derive(Debug)]
pub(super) struct Meeting<T>(WaitQueue<Brought<T>>);

#[derive(Debug)]
enum Brought<T> {
    NotYet,
    Message(T),
    /// The sender does not come; or the message has been taken.
    Nothing,
}

impl<T> Packet<T> {
    /// With this in it.
    pub(super) fn new(content: Content<T>) -> Packet<T> {
        Packet(UnsafeCell::new(content))
    }

    /// What its counterparts find it by.
    pub(super) fn tag(&self) -> usize {
        std::ptr::from_ref(self).expose_provenance()
    }

    /// What is in it after the wait.
    pub(super) fn into_content(self) -> Content<T> {
        self.0.into_inner()
    }

    /// Puts something into the packet that a tag stands for, and takes out what was there.
    ///
    /// # Safety
    ///
    /// The tag must be a packet's, of a node in the list of a channel of the same type, and used under its lock.
    unsafe fn exchange(tag: usize, content: Content<T>) -> Content<T> {
        let packet = std::ptr::with_exposed_provenance::<Packet<T>>(tag);
        // SAFETY: the waiter leaves neither list nor packet without the lock, which the caller has.
        unsafe {
            (*packet)
                .0
                .with_mut(|at| std::mem::replace(&mut *at, content))
        }
    }
}

/// What was found on the senders' side: a message, or where it will come.
#[derive(Debug)]
pub(super) enum Transfer<T> {
    /// A message.
    Message(T),
    /// A sender is about to bring one here.
    Meeting(Arc<Meeting<T>>),
}

impl<T> Rendezvous<T> {
    /// Nobody is there.
    pub(super) fn new() -> Rendezvous<T> {
        Rendezvous {
            pairing: Mutex::new(()),
            senders: WaitQueue::new(()),
            receivers: WaitQueue::new(()),
            closed: AtomicBool::new(false),
            _messages: std::marker::PhantomData,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
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

    /// Hands the message to a receiver that waits, if there is one.
    pub(super) fn try_send(&self, message: T) -> Result<(), (T, Missed)> {
        self.try_give(Content::Message(message))
            .map_err(|(content, missed)| match content {
                Content::Message(message) => (message, missed),
                _ => unreachable!("what was not given comes back"),
            })
    }

    /// Promises a message to a receiver that waits, if there is one.
    pub(super) fn try_promise(&self) -> Result<Arc<Meeting<T>>, Missed> {
        let meeting = Arc::new(Meeting(WaitQueue::new(Brought::NotYet)));
        match self.try_give(Content::Meeting(Arc::clone(&meeting))) {
            Ok(()) => Ok(meeting),
            Err((_, missed)) => Err(missed),
        }
    }

    fn try_give(&self, content: Content<T>) -> Result<(), (Content<T>, Missed)> {
        if self.is_closed() {
            return Err((content, Missed::Closed));
        }
        let content = Cell::new(Some(content));
        let mut receivers = self.receivers.lock();
        loop {
            let given = receivers.give(
                is_no_observer,
                Token::Given,
                |tag| {
                    let content = content.take().expect("not given yet");
                    // SAFETY: a receiver's tag, under the lock of its list.
                    drop(unsafe { Packet::exchange(tag, content) });
                },
                // SAFETY: as above.
                |tag, ()| content.set(Some(unsafe { Packet::exchange(tag, Content::Empty) })),
            );
            match given {
                Given::Taken(()) => return Ok(()),
                Given::Withdrawn => {}
                Given::Nobody => break,
            }
        }
        drop(receivers);
        Err((content.take().expect("not given"), Missed::NotNow))
    }

    /// Takes a message from a sender that waits, if there is one.
    pub(super) fn try_find(&self) -> Result<Transfer<T>, Missed> {
        let mut senders = self.senders.lock();
        loop {
            let given = senders.give(
                is_no_observer,
                Token::Given,
                // SAFETY: a sender's tag, under the lock of its list.
                |tag| match unsafe { Packet::exchange(tag, Content::Empty) } {
                    Content::Message(message) => Transfer::Message(message),
                    _ => {
                        // Its message is not known yet.
                        let meeting = Arc::new(Meeting(WaitQueue::new(Brought::NotYet)));
                        let left = Content::Meeting(Arc::clone(&meeting));
                        // SAFETY: as above.
                        drop(unsafe { Packet::exchange(tag, left) });
                        Transfer::Meeting(meeting)
                    }
                },
                |tag, found| {
                    let back = match found {
                        Transfer::Message(message) => Content::Message(message),
                        Transfer::Meeting(_) => Content::Later,
                    };
                    // SAFETY: as above.
                    drop(unsafe { Packet::exchange(tag, back) });
                },
            );
            match given {
                Given::Taken(found) => return Ok(found),
                Given::Withdrawn => {}
                Given::Nobody => break,
            }
        }
        drop(senders);
        Err(if self.is_closed() {
            Missed::Closed
        } else {
            Missed::NotNow
        })
    }

    /// Takes a message from a sender that waits; if that is about to bring it, waits for it.
    #[track_caller]
    pub(super) fn try_recv(&self) -> Result<T, Missed> {
        loop {
            match self.try_find()? {
                Transfer::Message(message) => return Ok(message),
                Transfer::Meeting(meeting) => {
                    if let Some(message) = meeting.receive() {
                        return Ok(message);
                    }
                }
            }
        }
    }

    /// Sends, waiting for a receiver until the deadline.
    #[track_caller]
    pub(super) fn send(
        &self,
        mut message: T,
        deadline: Option<Instant>,
    ) -> Result<(), (T, Missed)> {
        loop {
            match self.try_send(message) {
                Err((back, Missed::NotNow)) => message = back,
                done => return done,
            }
            let packet = Packet::new(Content::Message(message));
            let side = SenderSide(self);
            let outcome = wait_any(&[(&side, packet.tag())], WaitKind::Send, deadline);
            match (packet.into_content(), outcome) {
                (Content::Message(back), Outcome::TimedOut) => return Err((back, Missed::NotNow)),
                (Content::Message(back), _) => message = back,
                _ => return Ok(()),
            }
        }
    }

    /// Receives, waiting for a sender until the deadline.
    #[track_caller]
    pub(super) fn recv(&self, deadline: Option<Instant>) -> Result<T, Missed> {
        loop {
            match self.try_recv() {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            let packet = Packet::new(Content::Empty);
            let side = ReceiverSide(self);
            let outcome = wait_any(&[(&side, packet.tag())], WaitKind::Receive, deadline);
            match (packet.into_content(), outcome) {
                (Content::Message(message), _) => return Ok(message),
                (Content::Meeting(meeting), _) => {
                    if let Some(message) = meeting.receive() {
                        return Ok(message);
                    }
                }
                (_, Outcome::TimedOut) => return Err(Missed::NotNow),
                _ => {}
            }
        }
    }

    /// A receiver waits, or none will ever come.
    pub(super) fn can_send(&self) -> bool {
        has_counterpart(&self.receivers) || self.is_closed()
    }

    /// A sender waits, or none will ever come.
    pub(super) fn can_recv(&self) -> bool {
        has_counterpart(&self.senders) || self.is_closed()
    }
}

/// The tag of one who only wants to know whether somebody is there.
pub(super) const OBSERVER: usize = 0;

fn is_no_observer(tag: usize) -> bool {
    tag != OBSERVER
}

fn has_counterpart(waiters: &WaitQueue<()>) -> bool {
    waiters.lock().first_tag_of(is_no_observer).is_some()
}

impl<T> Meeting<T> {
    /// Waits for the message. It is on its way: no kill is delivered here. `None`: the sender has given up.
    #[track_caller]
    pub(super) fn receive(&self) -> Option<T> {
        let _shield = Shield::raise();
        let take = |brought: &mut Locked<'_, Brought<T>>, _: &Node| match **brought {
            Brought::NotYet => None,
            _ => Some(std::mem::replace(&mut **brought, Brought::Nothing)),
        };
        loop {
            match self
                .0
                .wait(Wait::new(WaitKind::Receive, None), take, |_| ())
            {
                Waited::Ready(Brought::Message(message)) => return Some(message),
                Waited::Ready(_) => return None,
                _ => {}
            }
        }
    }

    /// Brings the message; `None`: gives up.
    pub(super) fn bring(&self, message: Option<T>) {
        let mut locked = self.0.lock();
        *locked = message.map_or(Brought::Nothing, Brought::Message);
        locked.complete_all(Token::Retry);
    }
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
        link(self.0, &self.0.receivers, &self.0.senders, node)
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
        // Those who only want to know are told that somebody has come.
        while let Given::Taken(()) | Given::Withdrawn =
            theirs.give(|tag| tag == OBSERVER, Token::Retry, |_| (), |_, ()| ())
        {}
    }
    channel.is_closed() || theirs.has_others(node, is_no_observer)
}
