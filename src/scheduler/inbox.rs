//! Greenlets that other threads have made ready for one hub: a stack of intrusive links that only the hub takes from.
//!
//! # Invariants
//!
//! 1. The head is null (empty, hub awake), `IDLE` (empty, hub idle or about to be), or the youngest node. A push onto
//!    `IDLE` replaces it, and that pusher, nobody else, notifies the hub. So an idle hub gets exactly one notify, and an
//!    awake one none.
//! 2. The hub sets `IDLE` only over null. A push before that makes it fail (the hub stays awake); a push after that sees
//!    `IDLE`. One word decides, so no fence is needed, and no wake-up is lost.
//! 3. A node is in at most one inbox, and its link is its owner's between [`Inbox::push`] and the taking.

use std::iter;
use std::ptr::{self, NonNull};

use crate::primitive::atomic::{AtomicPtr, Ordering};

/// Something with a link to the next of its kind.
///
/// # Safety
///
/// `link` must always give the same place in the node, and the node must outlive its stay in the inbox.
pub(crate) unsafe trait Linked: Sized {
    /// The place of the link, which the inbox owns while the node is in it.
    fn link(&self) -> &AtomicPtr<Self>;
}

/// The inbox itself.
#[derive(Debug)]
pub(crate) struct Inbox<N> {
    head: AtomicPtr<N>,
}

/// What a push found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an idle hub must be notified, or it sleeps on its work"]
pub(crate) enum Pushed {
    /// The hub is awake, or another pusher notifies it.
    Awake,
    /// The hub is idle: notify it.
    Idle,
}

/// The head of an idle hub's inbox: an address that no node has.
fn idle<N>() -> *mut N {
    ptr::without_provenance_mut(1)
}

impl<N: Linked> Inbox<N> {
    /// An empty inbox of a hub that is awake.
    pub(crate) fn new() -> Inbox<N> {
        Inbox {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Any thread: adds a node.
    pub(crate) fn push(&self, node: NonNull<N>) -> Pushed {
        // SAFETY: the node is the caller's until the exchange below succeeds.
        let link = unsafe { node.as_ref() }.link();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = if head == idle() {
                ptr::null_mut()
            } else {
                head
            };
            link.store(next, Ordering::Relaxed);
            // Release publishes the node, its link, and what the waker wrote, to the hub's acquire in `take`.
            match self.head.compare_exchange_weak(
                head,
                node.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) if head == idle() => return Pushed::Idle,
                Ok(_) => return Pushed::Awake,
                Err(now) => head = now,
            }
        }
    }

    /// There is something to take. Costs the hub one plain load a turn.
    #[inline]
    pub(crate) fn has_nodes(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        !head.is_null() && head != idle()
    }

    /// The hub is idle, or about to be.
    pub(crate) fn is_idle(&self) -> bool {
        self.head.load(Ordering::Relaxed) == idle()
    }

    /// The hub: takes everything, oldest first, and is awake.
    pub(crate) fn take(&self) -> impl Iterator<Item = NonNull<N>> {
        // Acquire pairs with the release in `push`; each push reads the one before, so the oldest is published, too.
        let head = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut youngest = if head == idle() {
            None
        } else {
            NonNull::new(head)
        };
        let mut oldest = None;
        while let Some(node) = youngest {
            // SAFETY: the nodes taken are the hub's now.
            let link = unsafe { node.as_ref() }.link();
            youngest = NonNull::new(link.load(Ordering::Relaxed));
            link.store(
                oldest.map_or(ptr::null_mut(), NonNull::as_ptr),
                Ordering::Relaxed,
            );
            oldest = Some(node);
        }
        iter::from_fn(move || {
            let node = oldest?;
            // SAFETY: as above; the link is read before the node is given away.
            oldest = NonNull::new(unsafe { node.as_ref() }.link().load(Ordering::Relaxed));
            Some(node)
        })
    }

    /// The hub, about to idle: `false` if something has come.
    #[must_use = "a hub whose inbox has filled must not idle"]
    pub(crate) fn enter_idle(&self) -> bool {
        self.head
            .compare_exchange(
                ptr::null_mut(),
                idle(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// The hub, awake again. What has come meanwhile stays.
    pub(crate) fn leave_idle(&self) {
        let _ = self.head.compare_exchange(
            idle(),
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
}
