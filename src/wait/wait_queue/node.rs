//! One waiter in one list.

use std::ptr;

use super::ticket::{Ticket, Token};
use crate::greenlet::Unparker;
use crate::primitive::cell::UnsafeCell;
use crate::wait::unparker::current_unparker;

/// One waiter in one list, on the waiter's stack.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) ticket: *const Ticket,
    /// What the waiter's ticket becomes is `index` and the completer's token.
    pub(super) index: usize,
    /// What the waiter wants those who complete it to know.
    tag: usize,
    /// Under the lock of the list.
    pub(super) inner: UnsafeCell<Inner>,
}

/// Its neighbours, and who is to be woken.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) previous: *const Node,
    pub(super) next: *const Node,
    pub(super) is_linked: bool,
    pub(super) unparker: Option<Unparker>,
}

impl Node {
    /// What its waiter wants completers to know.
    pub(crate) fn tag(&self) -> usize {
        self.tag
    }

    /// The node of this number among those of its wait.
    pub(super) fn new(ticket: *const Ticket, index: usize, tag: usize) -> Node {
        Node {
            ticket,
            index,
            tag,
            inner: UnsafeCell::new(Inner {
                previous: ptr::null(),
                next: ptr::null(),
                is_linked: false,
                unparker: None,
            }),
        }
    }

    /// The waiter, before the node is in a list.
    pub(super) fn set_unparker(&self) {
        let unparker = current_unparker();
        // SAFETY: nobody else knows the node yet.
        self.inner
            .with_mut(|inner| unsafe { (*inner).unparker = Some(unparker) });
    }

    /// The wait goes on: neither completed nor withdrawn.
    pub(super) fn waits(&self) -> bool {
        // SAFETY: the node is in a list whose lock the caller has, so the waiter has not left.
        unsafe { &*self.ticket }.waits()
    }

    /// Moves the ticket: `true` if this is what completed the wait. Neither node nor ticket may be touched then.
    pub(super) fn complete(&self, token: Token) -> bool {
        // SAFETY: as in `waits`.
        unsafe { &*self.ticket }.complete(self.index, token)
    }
}

/// A node and those behind it; the lock of their list must be held meanwhile.
pub(super) fn followers(first: Option<&Node>) -> impl Iterator<Item = &Node> {
    std::iter::successors(first, |node| {
        // SAFETY: nodes in a list are alive (point 3), their insides touched under its lock, which the caller has.
        node.inner
            .with_mut(|inner| unsafe { (*inner).next.as_ref() })
    })
}
