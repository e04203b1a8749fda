//! What one who waits at a channel without capacity shows to those who look for a counterpart.

use std::ptr;

use crate::primitive::cell::UnsafeCell;
use crate::primitive::sync::Arc;

use super::meeting::Meeting;

/// Lies with the waiter until its wait is over; others find it by the tag of the waiter's node, and touch it under the lock of
/// the list in which the node is.
#[derive(Debug)]
pub(super) struct Packet {
    /// Where the message is, or where it is to go. Null for one who selects: what it sends it has not made yet, and what it
    /// receives has no room yet.
    message: *mut (),
    /// Where the two go on, if one of them selects: an `Arc<Meeting<T>>`, or null.
    meeting: UnsafeCell<*const ()>,
}

/// The tag of one who only wants to know whether somebody is there.
pub(super) const OBSERVER: usize = 0;

/// It is no observer's tag.
pub(super) fn is_no_observer(tag: usize) -> bool {
    tag != OBSERVER
}

impl Packet {
    /// Of one who waits with its message, or with room for one, here.
    pub(super) fn with<T>(message: *mut T) -> Packet {
        Packet {
            message: message.cast(),
            meeting: UnsafeCell::new(ptr::null()),
        }
    }

    /// Of one who selects.
    pub(super) fn empty() -> Packet {
        Packet::with::<()>(ptr::null_mut())
    }

    /// What its counterparts find it by. It must not be moved while its node is in a list.
    pub(super) fn tag(&self) -> usize {
        ptr::from_ref(self).expose_provenance()
    }

    /// The packet that a tag stands for.
    ///
    /// # Safety
    ///
    /// The tag is a packet's, of a node in a list whose lock is held for `'a`.
    pub(super) unsafe fn of_tag<'a>(tag: usize) -> &'a Packet {
        // SAFETY: the waiter leaves neither list nor packet without the lock.
        unsafe { &*ptr::with_exposed_provenance::<Packet>(tag) }
    }

    /// Where its message is, or is to go; `None`: its owner selects.
    pub(super) fn message<T>(&self) -> Option<*mut T> {
        (!self.message.is_null()).then(|| self.message.cast())
    }

    /// Leaves a meeting with its owner.
    ///
    /// # Safety
    ///
    /// The lock is held, the channel is one of `T`s, and no meeting has been left here.
    pub(super) unsafe fn leave<T>(&self, meeting: Arc<Meeting<T>>) {
        // SAFETY: under the lock, as the caller says.
        self.meeting
            .with_mut(|at| unsafe { *at = Arc::into_raw(meeting).cast() });
    }

    /// Takes out the meeting that was left here, if one was.
    ///
    /// # Safety
    ///
    /// The lock is held, or the wait is over; and the channel is one of `T`s.
    pub(super) unsafe fn take_meeting<T>(&self) -> Option<Arc<Meeting<T>>> {
        // SAFETY: as the caller says, nobody else is there.
        let meeting = self
            .meeting
            .with_mut(|at| unsafe { ptr::replace(at, ptr::null()) });
        // SAFETY: `leave` made it of such an `Arc`.
        (!meeting.is_null()).then(|| unsafe { Arc::from_raw(meeting.cast()) })
    }
}
