//! Where a sender and a receiver of a channel without capacity go on who have found each other, and of whom one selects.
//!
//! To be selected is not to be done: who selects brings its message, or takes the other's, only later, or never. So the two
//! share a meeting, in which each learns what the other does:
//!
//! | sender | receiver | begins as | then |
//! | --- | --- | --- | --- |
//! | selects | either | expected | brought, or left by the sender, or by a receiver that selects |
//! | waits in `send` | selects | offered | received, or left by the receiver; the sender waits for that |
//! | sends, as the receiver waits | selects | brought | received, or left by the receiver |
//!
//! A sender whose receiver has left sends to another, and a receiver whose sender has left takes another's message. What was
//! brought and left goes back to the channel, with the meeting that it lies in.

use std::mem::MaybeUninit;
use std::ptr;

use crate::greenlet::WaitKind;
use crate::primitive::NoUnwind;
use crate::wait::{Locked, Node, Shield, Token, Wait, WaitQueue};

/// The meeting.
#[derive(Debug)]
pub(super) struct Meeting<T>(WaitQueue<Exchange<T>>);

#[derive(Debug)]
struct Exchange<T> {
    step: Step,
    /// The message, while it is offered.
    offered: *const T,
    /// The message, once it has been brought. It may be large, and is not moved through anyone's stack.
    brought: Option<Box<MaybeUninit<T>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The sender has yet to bring its message.
    Expected,
    /// The message lies with the sender, who waits until it has been received, or left.
    Offered,
    /// The message lies here.
    Brought,
    /// It has been received.
    Received,
    /// One of the two does not come.
    Left,
}

// SAFETY: a message goes from one to the other; the pointer is to the sender's, who waits.
unsafe impl<T: Send> Send for Exchange<T> {}

impl<T> Meeting<T> {
    fn new(step: Step, offered: *const T, brought: Option<Box<MaybeUninit<T>>>) -> Meeting<T> {
        Meeting(WaitQueue::new(Exchange {
            step,
            offered,
            brought,
        }))
    }

    /// The sender selects.
    pub(super) fn expected() -> Meeting<T> {
        Meeting::new(Step::Expected, ptr::null(), None)
    }

    /// The sender waits with its message until [`Meeting::until_received`] returns.
    pub(super) fn offered(message: *const T) -> Meeting<T> {
        Meeting::new(Step::Offered, message, None)
    }

    /// The sender leaves its message, and goes on.
    ///
    /// # Safety
    ///
    /// The message is there, and is not the caller's any more if the meeting takes place.
    pub(super) unsafe fn brought(message: *const T) -> Meeting<T> {
        // SAFETY: as the caller says.
        let brought = unsafe { boxed(message) };
        Meeting::new(Step::Brought, ptr::null(), Some(brought))
    }

    /// The sender brings its message: `false` if the receiver has left, and then it is still the sender's.
    ///
    /// # Safety
    ///
    /// The message is there.
    pub(super) unsafe fn bring(&self, message: *const T) -> bool {
        // SAFETY: as the caller says.
        let brought = unsafe { boxed(message) };
        let mut locked = self.0.lock();
        let is_expected = locked.step == Step::Expected;
        if is_expected {
            locked.brought = Some(brought);
            locked.move_on(Step::Brought);
        }
        is_expected
    }

    /// The sender waits until its message has been received: `false` if the receiver has left. It is the receiver's turn, so
    /// no kill is delivered here.
    #[track_caller]
    pub(super) fn until_received(&self) -> bool {
        self.until_not(Step::Offered, WaitKind::Send);
        self.0.lock().step == Step::Received
    }

    /// The receiver takes the message, and waits for it if it is still to be brought: `false` if the sender has left. The
    /// message is on its way, so no kill is delivered here.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[track_caller]
    pub(super) unsafe fn receive(&self, into: *mut T) -> bool {
        self.until_not(Step::Expected, WaitKind::Receive);
        let mut locked = self.0.lock();
        let message = match (locked.step, &locked.brought) {
            (Step::Offered, _) => locked.offered,
            (Step::Brought, Some(brought)) => brought.as_ptr(),
            _ => return false,
        };
        // SAFETY: the message is there: here, or with the sender, who leaves only when it has been received.
        unsafe { into.copy_from_nonoverlapping(message, 1) };
        locked.move_on(Step::Received);
        true
    }

    /// One of the two does not come. `true` if a message lies here, which is nobody's now.
    pub(super) fn leave(&self) -> bool {
        let mut locked = self.0.lock();
        if let Step::Expected | Step::Offered = locked.step {
            locked.move_on(Step::Left);
        }
        locked.step == Step::Brought
    }

    /// Drops the message that lies here.
    ///
    /// # Safety
    ///
    /// Both have left.
    pub(super) unsafe fn discard(&self) {
        let mut locked = self.0.lock();
        let is_brought = locked.step == Step::Brought;
        locked.step = Step::Received;
        let message = locked.brought.take().filter(|_| is_brought);
        drop(locked);
        // SAFETY: what was brought and not received is there.
        drop(message.map(|message| unsafe { message.assume_init() }));
    }

    /// Waits while this is the step.
    #[track_caller]
    fn until_not(&self, step: Step, kind: WaitKind) {
        let _shield = Shield::raise();
        // The other has what is on this stack.
        let no_unwind = NoUnwind::begin();
        while self.0.lock().step == step {
            let has_moved = |locked: &mut Locked<'_, Exchange<T>>, _: &Node| {
                (locked.step != step).then_some(())
            };
            // However it ends: the step is what counts.
            let _ = self.0.wait(Wait::new(kind, None), has_moved, |_| ());
        }
        no_unwind.end();
    }
}

/// A copy of the message, which counts if the other does not.
///
/// # Safety
///
/// The message is there.
unsafe fn boxed<T>(message: *const T) -> Box<MaybeUninit<T>> {
    let mut copy = Box::<T>::new_uninit();
    // SAFETY: as the caller says.
    unsafe { copy.as_mut_ptr().copy_from_nonoverlapping(message, 1) };
    copy
}

impl<T> Locked<'_, Exchange<T>> {
    fn move_on(&mut self, step: Step) {
        self.step = step;
        self.complete_all(Token::Retry);
    }
}
