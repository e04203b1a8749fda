//! What a channel needs of the queue that holds its messages.
//!
//! Both sides go in two steps. First one gets a *place* to itself: a sender claims one to write to, a receiver reserves one to
//! read from. Then the message moves, once, between the place and the caller's own frame. What decides who gets a message has
//! so nothing to do with the message, and may be done by whoever selects, on any thread; and only those who hold a sender or
//! a receiver ever move one.

/// A place in a queue, which belongs to one alone: to a sender until it has written a message there, or to a receiver until it
/// has read it. It must come to that, or be given up, or be put back.
#[derive(Clone, Copy, Debug)]
#[must_use = "others wait for what becomes of a place"]
pub(super) struct Place {
    /// Where it is, for a queue that needs to know.
    pub(super) block: *const (),
    /// Positions count up for ever, and may wrap.
    pub(super) position: usize,
}

// SAFETY: two words; only the queue that made them makes anything of them.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

/// What a receiver finds in a queue.
#[derive(Debug)]
pub(super) enum Found {
    /// A message, which is the receiver's now.
    Message(Place),
    /// Places that were given up. They are free now: whoever waits for room must be told.
    GivenUp,
}

/// A queue of messages. Whatever takes or returns none may be called on any thread, whatever the type of the messages.
pub(super) trait Store {
    type Message;

    /// Claims room for a message to come; `None`: there is none.
    fn claim(&self) -> Option<Place>;

    /// Moves the message into the place.
    ///
    /// # Safety
    ///
    /// The place was claimed in this queue, and is used here for the last time. The message is there, and the caller's no more.
    unsafe fn fill(&self, place: Place, message: *const Self::Message);

    /// Does without the room.
    ///
    /// # Safety
    ///
    /// The place was claimed in this queue, and is used here for the last time.
    unsafe fn give_up(&self, place: Place);

    /// Reserves the oldest message that is complete and nobody's yet.
    fn reserve(&self) -> Option<Found>;

    /// Moves the message to where there is room for it.
    ///
    /// # Safety
    ///
    /// The place was reserved in this queue, and is used here for the last time.
    unsafe fn take(&self, place: Place, into: *mut Self::Message);

    /// Drops the message where it lies. The place is free afterwards, even if the destructor panics.
    ///
    /// # Safety
    ///
    /// As for [`Store::take`].
    unsafe fn discard(&self, place: Place);

    /// A place can be claimed now.
    fn has_room(&self) -> bool;

    /// A message can be reserved now.
    fn has_message(&self) -> bool;

    /// How many messages are in it that nobody has reserved, at some moment; places that are claimed may count.
    fn len(&self) -> usize;

    /// How many there may be.
    fn capacity(&self) -> Option<usize>;
}
