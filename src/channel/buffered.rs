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
//!
//! # What is selected is reserved
//!
//! A `select` stops between the two steps of a send or a receive: it has a place to itself, and the message moves later, or
//! never. Until then others find less room, or fewer messages, and go on without it; so whoever selects tells the next of its
//! own kind at once, as whoever succeeds does. A place that is given up is room again, and a message that is put back goes to
//! the next receiver ([`Returned`]): either is a change like any other, after which one waiter is told. Neither touches a
//! message, nor drops any: that is left to those who hold a side of the channel.

use std::time::Instant;

use crossbeam_utils::CachePadded;

use super::destructors::Panics;
use super::patience::Patience;
use super::returned::Returned;
use super::store::{Found, Place, Store};
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering, fence};
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// A channel that holds messages in `Q`.
#[derive(Debug)]
pub(super) struct Buffered<Q: Store> {
    store: Q,
    /// Messages that were selected and not received.
    returned: Returned<Place>,
    /// One side is gone.
    closed: AtomicBool,
    /// And a place was given up since, at which `discard` may have had to stop.
    has_rest: AtomicBool,
    receivers: CachePadded<WaitQueue<()>>,
    senders: CachePadded<WaitQueue<()>>,
}

/// A wait ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// It was not to wait, or for no longer.
    NotNow,
    /// The other side is gone.
    Closed,
}

impl<Q: Store> Buffered<Q> {
    /// An empty channel.
    pub(super) fn new(store: Q) -> Buffered<Q> {
        Buffered {
            store,
            returned: Returned::new(),
            closed: AtomicBool::new(false),
            has_rest: AtomicBool::new(false),
            receivers: CachePadded::new(WaitQueue::new(())),
            senders: CachePadded::new(WaitQueue::new(())),
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

    /// Claims a place, without waiting.
    #[inline]
    pub(super) fn try_claim(&self) -> Result<Place, Missed> {
        if self.is_closed() {
            return Err(Missed::Closed);
        }
        self.store.claim().ok_or(Missed::NotNow)
    }

    /// Claims a place, waiting for room until the deadline. A kill unwinds from here, while nobody has anything yet.
    #[track_caller]
    #[inline(always)]
    pub(super) fn claim(&self, deadline: Option<Instant>) -> Result<Place, Missed> {
        let mut patience = Patience::new();
        loop {
            match self.try_claim() {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            if patience.pause(|| self.can_send()) {
                continue;
            }
            let look = |_: &mut Locked<'_, ()>, _: &Node| self.can_send().then_some(());
            let wait = Wait::new(WaitKind::Send, deadline);
            if self.senders.wait(wait, look, |_| ()) == Waited::TimedOut {
                return self.try_claim();
            }
        }
    }

    /// Moves the message into a claimed place. [`Buffered::after_send`] must follow, when the message is forgotten where it
    /// was: this runs nobody else's code, and that may.
    ///
    /// # Safety
    ///
    /// The place was claimed in this channel, and is used here for the last time. The message is there, and the caller's no
    /// more.
    #[inline(always)]
    pub(super) unsafe fn fill(&self, place: Place, message: *const Q::Message) {
        // SAFETY: as the caller says.
        unsafe { self.store.fill(place, message) };
    }

    /// Does without a claimed place.
    ///
    /// # Safety
    ///
    /// The place was claimed in this channel, and is used here for the last time.
    pub(super) unsafe fn give_up(&self, place: Place) {
        // SAFETY: as the caller says.
        unsafe { self.store.give_up(place) };
        self.pass_on_to_senders();
        self.pass_on_to_receivers();
        // After the fence in there: either this sees that the receivers are gone, or they that the place is free.
        if self.is_closed() {
            self.has_rest.store(true, Ordering::Release);
        }
    }

    /// The receivers are gone: drops what was sent behind a place that was given up later. For those who hold a sender.
    pub(super) fn discard_rest(&self) {
        if self.has_rest.load(Ordering::Relaxed) && self.has_rest.swap(false, Ordering::Acquire) {
            self.discard();
        }
    }

    /// Reserves a message, without waiting.
    #[inline]
    pub(super) fn try_reserve(&self) -> Result<Place, Missed> {
        if let Some(place) = self.returned.take() {
            return Ok(place);
        }
        loop {
            match self.store.reserve() {
                Some(Found::Message(place)) => return Ok(place),
                Some(Found::GivenUp) => self.after_recv(),
                None if self.is_closed() => return self.last_reserve(),
                None => return Err(Missed::NotNow),
            }
        }
    }

    /// The senders are gone: what they sent before is there, if no other receiver has taken it.
    #[cold]
    fn last_reserve(&self) -> Result<Place, Missed> {
        loop {
            match self.store.reserve() {
                Some(Found::Message(place)) => return Ok(place),
                Some(Found::GivenUp) => {}
                None => return self.returned.take().ok_or(Missed::Closed),
            }
        }
    }

    /// Reserves a message, waiting for one until the deadline. A kill unwinds from here, while the caller has none.
    #[track_caller]
    #[inline(always)]
    pub(super) fn reserve(&self, deadline: Option<Instant>) -> Result<Place, Missed> {
        let mut patience = Patience::new();
        loop {
            match self.try_reserve() {
                Err(Missed::NotNow) => {}
                done => return done,
            }
            if patience.pause(|| self.can_recv()) {
                continue;
            }
            let look = |_: &mut Locked<'_, ()>, _: &Node| self.can_recv().then_some(());
            let wait = Wait::new(WaitKind::Receive, deadline);
            if self.receivers.wait(wait, look, |_| ()) == Waited::TimedOut {
                return self.try_reserve();
            }
        }
    }

    /// Receives a reserved message.
    ///
    /// # Safety
    ///
    /// The place was reserved in this channel, and is used here for the last time; and there is room for the message.
    #[inline(always)]
    pub(super) unsafe fn take(&self, place: Place, into: *mut Q::Message) {
        // SAFETY: as the caller says.
        unsafe { self.store.take(place, into) };
        self.after_recv();
    }

    /// Leaves a reserved message to others.
    ///
    /// # Safety
    ///
    /// As for [`Buffered::take`].
    pub(super) unsafe fn put_back(&self, place: Place) {
        self.returned.put(place.position, place);
        self.pass_on_to_receivers();
    }

    /// A message has been sent: see the module. Where the receivers are gone it drops messages, and may panic.
    #[inline]
    pub(super) fn after_send(&self) {
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

    /// A message has been received, or places that were given up are free.
    #[inline]
    fn after_recv(&self) {
        if self.store.capacity().is_none() {
            // No sender waits, and no receiver was told in vain.
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
    pub(super) fn discard(&self) {
        let mut panics = Panics::default();
        while let Ok(place) = self.last_reserve() {
            // SAFETY: reserved just now.
            panics.catch(|| unsafe { self.store.discard(place) });
        }
        panics.resume();
    }

    /// A send would not wait.
    pub(super) fn can_send(&self) -> bool {
        self.store.has_room() || self.is_closed()
    }

    /// A receive would not wait.
    pub(super) fn can_recv(&self) -> bool {
        self.store.has_message() || self.returned.len() != 0 || self.is_closed()
    }

    /// How many messages are there to be received.
    pub(super) fn len(&self) -> usize {
        self.store.len() + self.returned.len()
    }

    /// How many there may be.
    pub(super) fn capacity(&self) -> Option<usize> {
        self.store.capacity()
    }

    /// Claims a place that may be filled much later: whoever else can send is told at once.
    pub(super) fn select_send(&self) -> Result<Place, Missed> {
        let place = self.try_claim()?;
        self.pass_on_to_senders();
        Ok(place)
    }

    /// Reserves a message that may be received much later: whoever else can receive is told at once.
    pub(super) fn select_recv(&self) -> Result<Place, Missed> {
        let place = self.try_reserve()?;
        self.pass_on_to_receivers();
        Ok(place)
    }

    /// Tells the next sender, as one that was told and did not send, or has yet to.
    pub(super) fn pass_on_to_senders(&self) {
        fence(Ordering::SeqCst);
        if self.senders.has_waiters() && self.can_send() {
            tell(&self.senders);
        }
    }

    /// Tells the next receiver, as one that was told and did not receive, or has yet to.
    pub(super) fn pass_on_to_receivers(&self) {
        fence(Ordering::SeqCst);
        if self.receivers.has_waiters() && self.can_recv() {
            tell(&self.receivers);
        }
    }

    /// Waits among others to send.
    pub(super) fn link_sender(&self, node: &Node) -> bool {
        self.senders.link(node);
        self.can_send()
    }

    /// Waits among others to receive.
    pub(super) fn link_receiver(&self, node: &Node) -> bool {
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

impl<Q: Store> Drop for Buffered<Q> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cold]
#[inline(never)]
fn tell(waiters: &WaitQueue<()>) {
    waiters.lock().complete_first(Token::Retry);
}
