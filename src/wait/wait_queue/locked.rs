//! The lock of a queue: the list and the state that it guards, and completing waits.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;

use smallvec::SmallVec;

use super::node::{Node, followers};
use super::ticket::Token;
use crate::greenlet::Unparker;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::MutexGuard;

/// The ends of the list, and what its lock guards besides.
#[derive(Debug)]
pub(super) struct Contents<S> {
    first: *const Node,
    last: *const Node,
    state: S,
}

// SAFETY: the pointers are to nodes of waiters that are alive (point 3), touched under the lock alone.
unsafe impl<S: Send> Send for Contents<S> {}

/// What became of something that was to be given to a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what was not given is still there"]
pub(crate) enum Given<G> {
    /// The waiter has it.
    Taken(G),
    /// The waiter did not want it any more. There may be another.
    Withdrawn,
    /// Nobody waits for it.
    Nobody,
}

/// The lock of a queue, held for a moment. Whoever was completed meanwhile is woken when it is released.
pub(crate) struct Locked<'a, S> {
    len: &'a AtomicUsize,
    contents: ManuallyDrop<MutexGuard<'a, Contents<S>>>,
    to_wake: WakeList,
}

/// Taken out of nodes, woken after the lock is released.
type WakeList = SmallVec<[Unparker; 2]>;

impl<'a, S> Locked<'a, S> {
    /// The lock is taken; `len` counts the nodes of its list.
    pub(super) fn new(
        len: &'a AtomicUsize,
        contents: MutexGuard<'a, Contents<S>>,
    ) -> Locked<'a, S> {
        Locked {
            len,
            contents: ManuallyDrop::new(contents),
            to_wake: WakeList::new(),
        }
    }

    /// Nobody waits.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.first_node().is_none()
    }

    /// The first in the list, to be looked at and then, perhaps, completed.
    pub(crate) fn first(&mut self) -> Option<First<'_, 'a, S>> {
        let node = self.first_node()?;
        Some(First { locked: self, node })
    }

    /// The first in the list with a tag that is `wanted`.
    pub(crate) fn first_of(&mut self, wanted: impl Fn(usize) -> bool) -> Option<First<'_, 'a, S>> {
        let first = self.first_node();
        let node = followers(first).find(|node| wanted(node.tag()) && node.waits())?;
        Some(First { locked: self, node })
    }

    /// Completes the wait of the first in the list that still waits, whoever that is. `false`: nobody did.
    pub(crate) fn complete_first(&mut self, token: Token) -> bool {
        while let Some(first) = self.first() {
            if first.complete(token) {
                return true;
            }
        }
        false
    }

    /// Completes the waits of all, and says how many they were.
    pub(crate) fn complete_all(&mut self, token: Token) -> usize {
        std::iter::from_fn(|| self.complete_first(token).then_some(())).count()
    }

    /// The tag of the first in the list with a tag that is `wanted`: an answer for those who act on no waiter.
    pub(crate) fn first_tag_of(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        self.first_of(wanted).map(|first| first.tag())
    }

    /// Completes the wait of the first in the list with a tag that is `wanted`, after `give` has given it something by that
    /// tag. If the wait is not to be completed any more, `take_back` undoes that, and the next is worth a try.
    pub(crate) fn give<G>(
        &mut self,
        wanted: impl Fn(usize) -> bool,
        token: Token,
        give: impl FnOnce(usize) -> G,
        take_back: impl FnOnce(usize, G),
    ) -> Given<G> {
        let Some(first) = self.first_of(wanted) else {
            return Given::Nobody;
        };
        let tag = first.tag();
        let given = give(tag);
        if first.complete(token) {
            Given::Taken(given)
        } else {
            // The waiter cannot leave before the lock is released, so whatever the tag names is still there.
            take_back(tag, given);
            Given::Withdrawn
        }
    }

    /// Somebody with a tag that is `wanted` waits who is not the waiter that `me` belongs to.
    pub(crate) fn has_others(&mut self, me: &Node, wanted: impl Fn(usize) -> bool) -> bool {
        let first = self.first_node();
        followers(first).any(|node| node.ticket != me.ticket && wanted(node.tag()) && node.waits())
    }

    /// The first in the list, without those who have withdrawn or were completed elsewhere.
    fn first_node<'n>(&mut self) -> Option<&'n Node> {
        // SAFETY: a node in the list is alive (point 3), and stays so while the lock is held or until its wait is completed.
        while let Some(node) = unsafe { self.contents.first.as_ref() } {
            if node.waits() {
                return Some(node);
            }
            self.unlink(node);
        }
        None
    }

    fn complete(&mut self, node: &Node, token: Token) -> bool {
        self.unlink(node);
        // SAFETY: the node's inside is touched under the lock, which we have.
        let unparker = node
            .inner
            .with_mut(|inner| unsafe { (*inner).unparker.take() });
        let completed = node.complete(token);
        if completed {
            self.to_wake.extend(unparker);
        }
        completed
    }

    /// Puts the node into the list, at one of its ends.
    pub(super) fn link(&mut self, node: &Node, at_front: bool) {
        let contents = &mut **self.contents;
        let (previous, next) = if at_front {
            (ptr::null(), contents.first)
        } else {
            (contents.last, ptr::null())
        };
        // SAFETY: as in `complete`.
        node.inner.with_mut(|inner| unsafe {
            (*inner).previous = previous;
            (*inner).next = next;
            (*inner).is_linked = true;
        });
        contents.join(previous, node);
        contents.join(node, next);
        self.len
            .store(self.len.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Takes the node out of the list, if it is in there.
    pub(super) fn unlink(&mut self, node: &Node) {
        // SAFETY: as in `complete`.
        let links = node.inner.with_mut(|inner| unsafe {
            let linked = std::mem::replace(&mut (*inner).is_linked, false);
            linked.then_some(((*inner).previous, (*inner).next))
        });
        if let Some((previous, next)) = links {
            self.contents.join(previous, next);
            self.len
                .store(self.len.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
    }
}

/// A waiter that was looked at under the lock: the first of all, or of some.
///
/// Any waiter may withdraw at any time, so who is first *now* may be another than who was first a moment ago, and want
/// something else. Hence what was found out about a waiter, and its completion, are one value: nothing can be done by the
/// tag of one waiter to another.
#[must_use = "looking at a waiter does not complete it"]
pub(crate) struct First<'l, 'a, S> {
    locked: &'l mut Locked<'a, S>,
    /// Alive as long as the lock is held, and until it is completed.
    node: &'l Node,
}

impl<S> First<'_, '_, S> {
    /// What this waiter wants completers to know.
    pub(crate) fn tag(&self) -> usize {
        self.node.tag()
    }

    /// The state that the lock guards.
    pub(crate) fn state(&self) -> &S {
        self.locked
    }

    /// Completes the wait of this very waiter, and takes it out of the list. `false`: it has withdrawn meanwhile, and what was
    /// to be its own must be taken back. There may be another.
    #[must_use = "what was not given is still there"]
    pub(crate) fn complete(self, token: Token) -> bool {
        self.locked.complete(self.node, token)
    }
}

impl<S> Contents<S> {
    /// Nobody waits.
    pub(super) const fn new(state: S) -> Contents<S> {
        Contents {
            first: ptr::null(),
            last: ptr::null(),
            state,
        }
    }

    /// Makes two nodes, or ends of the list, neighbours.
    fn join(&mut self, previous: *const Node, next: *const Node) {
        // SAFETY: nodes in the list are alive (point 3), and the lock is held.
        unsafe {
            match previous.as_ref() {
                None => self.first = next,
                Some(node) => node.inner.with_mut(|inner| (*inner).next = next),
            }
            match next.as_ref() {
                None => self.last = previous,
                Some(node) => node.inner.with_mut(|inner| (*inner).previous = previous),
            }
        }
    }
}

impl<S> Deref for Locked<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.contents.state
    }
}

impl<S> DerefMut for Locked<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.contents.state
    }
}

impl<S> Drop for Locked<'_, S> {
    fn drop(&mut self) {
        // SAFETY: dropped once, here, and not used after.
        unsafe { ManuallyDrop::drop(&mut self.contents) };
        self.to_wake
            .drain(..)
            .for_each(|unparker| unparker.unpark());
    }
}
