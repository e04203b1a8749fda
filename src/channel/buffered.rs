//! Channels that hold messages: senders wait for room, receivers for messages.
//!
//! Messages are in a queue without locks; only those who find it full, or empty, come to a [`WaitQueue`].
//!
//! # No wake-up is lost
//!
//! Whoever changes the queue (1) does so, (2) fences, (3) looks at `has_waiters`. Whoever waits (a) is in the list, (b) has
//! fenced, (c) looks at the queue once more. Both fences are `SeqCst`, so one comes first: either (c) sees the change, or (3)
//! sees the waiter, which is told to look again.
//!
//! One change tells one waiter, who may come in vain: another was faster, or the ring has an unfinished place before what
//! it was told of. In the first case nothing is left to be told. In the second the one who finishes that place tells one
//! waiter, and two could go on. So **whoever succeeds looks whether there is more for its own kind, and tells the next**.
//!
//! A waiter that was told cannot be stopped before it has looked (`wait_queue`, point 1), and a `select` looks at the
//! channel that it was told of first. So what was told is taken, or was taken by another.

use std::time::Instant;

use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;

use super::patience::Patience;
use super::ring::{Place, Ring};
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering, fence};
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// What holds the messages.
pub(super) trait Store<T> {
    /// Adds one, or gives it back: there is no room.
    fn push(&self, message: T) -> Result<(), T>;
    /// Takes what is oldest: a message, or a place that was given up.
    fn pop(&self) -> Option<Option<T>>;
    /// A push would succeed.
    fn has_room(&self) -> bool;
    /// A pop would succeed.
    fn has_message(&self) -> bool;
    /// How many there may be.
    fn capacity(&self) -> Option<usize>;
    /// Claims a place for a message to come; `None`: there is no room.
    fn claim(&self) -> Option<Option<Place>>;
    /// Fills a claimed place, or gives it up.
    fn fill(&self, place: Option<Place>, message: Option<T>);
}

impl<T> Store<T> for Ring<T> {
    #[inline]
    fn push(&self, message: T) -> Result<(), T> {
        match Ring::claim(self) {
            None => Err(message),
            Some(place) => {
                Ring::fill(self, place, Some(message));
                Ok(())
            }
        }
    }

    #[inline]
    fn pop(&self) -> Option<Option<T>> {
        Ring::pop(self)
    }

    fn has_room(&self) -> bool {
        Ring::has_room(self)
    }

    fn has_message(&self) -> bool {
        Ring::has_message(self)
    }

    fn capacity(&self) -> Option<usize> {
        Some(Ring::capacity(self))
    }

    fn claim(&self) -> Option<Option<Place>> {
        Ring::claim(self).map(Some)
    }

    fn fill(&self, place: Option<Place>, message: Option<T>) {
        if let Some(place) = place {
            Ring::fill(self, place, message);
        }
    }
}

impl<T> Store<T> for SegQueue<T> {
    #[inline]
    fn push(&self, message: T) -> Result<(), T> {
        SegQueue::push(self, message);
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<Option<T>> {
        SegQueue::pop(self).map(Some)
    }

    fn has_room(&self) -> bool {
        true
    }

    fn has_message(&self) -> bool {
        !self.is_empty()
    }

    fn capacity(&self) -> Option<usize> {
        None
    }

    fn claim(&self) -> Option<Option<Place>> {
        Some(None)
    }

    fn fill(&self, _: Option<Place>, message: Option<T>) {
        if let Some(message) = message {
            SegQueue::push(self, message);
        }
    }
}

/// A channel that holds messages in `Q`.
#[derive(Debug)]
pub(super) struct Buffered<Q> {
    store: Q,
    receivers: CachePadded<WaitQueue<()>>,
    senders: CachePadded<WaitQueue<()>>,
    /// One side is gone.
    closed: AtomicBool,
}

/// A wait ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// It was not to wait, or for no longer.
    NotNow,
    /// The other side is gone.
    Closed,
}

impl<Q> Buffered<Q> {
    /// An empty channel.
    pub(super) fn new(store: Q) -> Buffered<Q> {
        Buffered {
            store,
            receivers: CachePadded::new(WaitQueue::new(())),
            senders: CachePadded::new(WaitQueue::new(())),
            closed: AtomicBool::new(false),
        }
    }

    fn is_closed(&self) -> bool {
        // Acquire pairs with the swap in `close`: what the last of the other side did comes before.
        self.closed.load(Ordering::Acquire)
    }

    /// One side is gone: nobody waits any more.
    pub(super) fn close(&self) {
        self.closed.swap(true, Ordering::SeqCst);
        // (2), with the flag for the queue.
        fence(Ordering::SeqCst);
        self.receivers.lock().complete_all(Token::Closed);
        self.senders.lock().complete_all(Token::Closed);
    }

    /// The messages.
    pub(super) fn store(&self) -> &Q {
        &self.store
    }

    /// Sends without waiting.
    #[inline]
    pub(super) fn try_send<T>(&self, message: T) -> Result<(), (T, Missed)>
    where
        Q: Store<T>,
    {
        if self.is_closed() {
            return Err((message, Missed::Closed));
        }
        match self.store.push(message) {
            Ok(()) => {
                self.after_send();
                Ok(())
            }
            Err(message) => Err((message, Missed::NotNow)),
        }
    }

    /// Sends, waiting for room until the deadline.
    #[track_caller]
    #[inline(always)]
    pub(super) fn send<T>(
        &self,
        mut message: T,
        deadline: Option<Instant>,
    ) -> Result<(), (T, Missed)>
    where
        Q: Store<T>,
    {
        let mut patience = Patience::new();
        loop {
            match self.try_send(message) {
                Err((back, Missed::NotNow)) => message = back,
                done => return done,
            }
            if patience.pause(|| self.can_send()) {
                continue;
            }
            let look = |_: &mut Locked<'_, ()>, _: &Node| {
                (self.store.has_room() || self.is_closed()).then_some(())
            };
            // Before the message could be lost to a kill it is dropped, with this frame: nobody has it yet.
            if self
                .senders
                .wait(Wait::new(WaitKind::Send, deadline), look, |_| ())
                == Waited::TimedOut
            {
                return self.try_send(message);
            }
        }
    }

    /// Receives without waiting.
    #[inline]
    pub(super) fn try_recv<T>(&self) -> Result<T, Missed>
    where
        Q: Store<T>,
    {
        loop {
            match self.store.pop() {
                Some(taken) => {
                    self.after_recv();
                    if let Some(message) = taken {
                        return Ok(message);
                    }
                }
                None if self.is_closed() => return self.last_recv(),
                None => return Err(Missed::NotNow),
            }
        }
    }

    /// The senders are gone: what they sent before is there, if no other receiver has taken it.
    #[cold]
    fn last_recv<T>(&self) -> Result<T, Missed>
    where
        Q: Store<T>,
    {
        std::iter::from_fn(|| self.store.pop())
            .flatten()
            .next()
            .ok_or(Missed::Closed)
    }

    /// Receives, waiting for a message until the deadline.
    #[track_caller]
    #[inline(always)]
    pub(super) fn recv<T>(&self, deadline: Option<Instant>) -> Result<T, Missed>
    where
        Q: Store<T>,
    {
        let mut patience = Patience::new();
        loop {
            match self.try_recv() {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            if patience.pause(|| self.can_recv()) {
                continue;
            }
            let look = |_: &mut Locked<'_, ()>, _: &Node| {
                (self.store.has_message() || self.is_closed()).then_some(())
            };
            if self
                .receivers
                .wait(Wait::new(WaitKind::Receive, deadline), look, |_| ())
                == Waited::TimedOut
            {
                return self.try_recv();
            }
        }
    }

    /// A message has been sent: see the module.
    #[inline]
    fn after_send<T>(&self)
    where
        Q: Store<T>,
    {
        // (2). Pairs with the fence of whoever waits.
        fence(Ordering::SeqCst);
        if self.receivers.has_waiters() {
            tell(&self.receivers);
        }
        if self.senders.has_waiters() && self.store.has_room() {
            tell(&self.senders);
        }
        if self.closed.load(Ordering::Relaxed) {
            self.discard();
        }
    }

    /// A message has been received.
    #[inline]
    fn after_recv<T>(&self)
    where
        Q: Store<T>,
    {
        if self.store.capacity().is_none() {
            // No sender waits, and a queue without places has none that are unfinished.
            return;
        }
        // (2). Pairs with the fence of whoever waits.
        fence(Ordering::SeqCst);
        if self.senders.has_waiters() {
            tell(&self.senders);
        }
        if self.receivers.has_waiters() && self.store.has_message() {
            tell(&self.receivers);
        }
    }

    /// The receivers are gone: nobody will want what is there. A message may hold a sender of this very channel.
    #[cold]
    pub(super) fn discard<T>(&self)
    where
        Q: Store<T>,
    {
        while self.store.pop().is_some() {}
    }

    /// Claims a place for a message that is sent later.
    pub(super) fn claim<T>(&self) -> Result<Option<Place>, Missed>
    where
        Q: Store<T>,
    {
        if self.is_closed() {
            return Err(Missed::Closed);
        }
        self.store.claim().ok_or(Missed::NotNow)
    }

    /// Sends into a claimed place, or gives it up.
    pub(super) fn fill<T>(&self, place: Option<Place>, message: Option<T>)
    where
        Q: Store<T>,
    {
        self.store.fill(place, message);
        self.after_send();
    }

    /// A send would not wait.
    pub(super) fn can_send<T>(&self) -> bool
    where
        Q: Store<T>,
    {
        self.store.has_room() || self.is_closed()
    }

    /// A receive would not wait.
    pub(super) fn can_recv<T>(&self) -> bool
    where
        Q: Store<T>,
    {
        self.store.has_message() || self.is_closed()
    }

    /// Tells the next sender, as one that was told and did not send.
    pub(super) fn pass_on_to_senders<T>(&self)
    where
        Q: Store<T>,
    {
        fence(Ordering::SeqCst);
        if self.senders.has_waiters() && self.can_send() {
            tell(&self.senders);
        }
    }

    /// Tells the next receiver, as one that was told and did not receive.
    pub(super) fn pass_on_to_receivers<T>(&self)
    where
        Q: Store<T>,
    {
        fence(Ordering::SeqCst);
        if self.receivers.has_waiters() && self.can_recv() {
            tell(&self.receivers);
        }
    }

    /// Waits among others to send.
    pub(super) fn link_sender<T>(&self, node: &Node) -> bool
    where
        Q: Store<T>,
    {
        self.senders.link(node);
        self.can_send()
    }

    /// Waits among others to receive.
    pub(super) fn link_receiver<T>(&self, node: &Node) -> bool
    where
        Q: Store<T>,
    {
        self.receivers.link(node);
        self.can_recv()
    }

    /// Waits no longer.
    pub(super) fn unlink_sender(&self, node: &Node) {
        self.senders.unlink(node);
    }

    /// Waits no longer.
    pub(super) fn unlink_receiver(&self, node: &Node) {
        self.receivers.unlink(node);
    }
}

#[cold]
#[inline(never)]
fn tell(waiters: &WaitQueue<()>) {
    waiters.lock().complete_first(Token::Retry);
}
