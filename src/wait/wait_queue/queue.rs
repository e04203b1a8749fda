//! The queue itself, and waiting in it.

use std::time::Instant;

use super::locked::{Contents, Locked};
use super::node::Node;
use super::ticket::{Ticket, Token};
use crate::greenlet::{Interrupt, WaitKind};
use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use crate::primitive::sync::Mutex;
use crate::primitive::{NoUnwind, const_fn};
use crate::wait::interrupt::{deliver, due};
use crate::wait::park::{has_passed, park_quietly};
use crate::wait::quiet_yield::give_way_quietly;

/// Waiters for the same thing, and the state `S` under their lock.
#[derive(Debug)]
pub(crate) struct WaitQueue<S> {
    /// How many nodes are in the list: written under the lock, read without it.
    len: AtomicUsize,
    contents: Mutex<Contents<S>>,
}

/// How a wait is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// For reports.
    pub(crate) kind: WaitKind,
    /// When it ends without success; `None` for never.
    pub(crate) deadline: Option<Instant>,
    /// What completers are to know: see [`Locked::first`].
    pub(crate) tag: usize,
    /// Before all others, not behind them.
    pub(crate) at_front: bool,
}

impl Wait {
    /// A wait at the end of the list, without a tag.
    pub(crate) fn new(kind: WaitKind, deadline: Option<Instant>) -> Wait {
        Wait {
            kind,
            deadline,
            tag: 0,
            at_front: false,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a completed wait may have been given something"]
pub(crate) enum Waited<R> {
    /// There was nothing to wait for.
    Ready(R),
    /// Somebody completed it.
    Completed(Token),
    /// The deadline has passed.
    TimedOut,
    /// This is to be delivered. Only [`WaitQueue::wait_quietly`] ends so.
    Interrupted(Interrupt),
}

impl<S: Default> Default for WaitQueue<S> {
    fn default() -> Self {
        WaitQueue::new(S::default())
    }
}

impl<S> WaitQueue<S> {
    const_fn! {
        /// Nobody waits.
        pub(crate) fn new(state: S) -> WaitQueue<S> {
            WaitQueue {
                len: AtomicUsize::new(0),
                contents: Mutex::new(Contents::new(state)),
            }
        }
    }

    /// Somebody waits. Good for whoever has fenced since it changed what they wait for: see the module, point 4.
    #[inline]
    pub(crate) fn has_waiters(&self) -> bool {
        self.len.load(Ordering::Relaxed) != 0
    }

    /// Puts a node that is one of several at the end of the list.
    pub(crate) fn link(&self, node: &Node) {
        self.lock().link(node, false);
        // Point 4. Pairs with the fence of whoever looks at `has_waiters`.
        fence(Ordering::SeqCst);
    }

    /// Takes it out, if it is in there.
    pub(crate) fn unlink(&self, node: &Node) {
        self.lock().unlink(node);
    }

    /// Takes the lock, for a moment: no waiting, and nobody else's code, while it is held.
    pub(crate) fn lock(&self) -> Locked<'_, S> {
        Locked::new(&self.len, self.contents.lock())
    }

    /// Waits until somebody completes the wait, or its deadline; or not at all if `look` finds, under the lock and with the
    /// caller in the list already, that there is no need. A kill or a time limit that is due unwinds from here.
    ///
    /// If the wait ends by its deadline or by unwinding, `withdrawn` runs under the lock, after the caller has left the list:
    /// for those who waited behind it and need not any longer.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn wait<R>(
        &self,
        wait: Wait,
        look: impl FnOnce(&mut Locked<'_, S>, &Node) -> Option<R>,
        withdrawn: impl FnOnce(&mut Locked<'_, S>),
    ) -> Waited<R> {
        let waited = self.wait_quietly(wait, look, withdrawn);
        if let Waited::Interrupted(interrupt) = waited {
            deliver(interrupt);
        }
        waited
    }

    /// The same, but a kill or a time limit that is due ends the wait without unwinding; the caller must deliver it.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn wait_quietly<R>(
        &self,
        wait: Wait,
        look: impl FnOnce(&mut Locked<'_, S>, &Node) -> Option<R>,
        withdrawn: impl FnOnce(&mut Locked<'_, S>),
    ) -> Waited<R> {
        let ticket = Ticket::new();
        let node = Node::new(&ticket, 0, wait.tag);
        // To the end nothing unwinds: the node is in the list.
        let no_unwind = NoUnwind::begin();
        let mut yields = true;
        let waited = match self.enter(&node, wait.at_front, look) {
            Some(ready) => Waited::Ready(ready),
            None => loop {
                if let Some((_, token)) = ticket.outcome() {
                    break Waited::Completed(token);
                }
                if let Some(stop) = stop(wait.deadline) {
                    if !ticket.withdraw() {
                        continue;
                    }
                    self.leave(&node, withdrawn);
                    break stop.end(yields);
                }
                yields = false;
                park_quietly(wait.kind, wait.deadline);
            },
        };
        no_unwind.end();
        waited
    }

    /// Puts the node into the list, unless `look` finds that there is no need.
    #[inline(never)]
    fn enter<R>(
        &self,
        node: &Node,
        at_front: bool,
        look: impl FnOnce(&mut Locked<'_, S>, &Node) -> Option<R>,
    ) -> Option<R> {
        node.set_unparker();
        let mut locked = self.lock();
        locked.link(node, at_front);
        // Point 4. Pairs with the fence of whoever looks at `has_waiters`.
        fence(Ordering::SeqCst);
        let ready = look(&mut locked, node);
        if ready.is_some() {
            locked.unlink(node);
        }
        ready
    }

    #[inline(never)]
    fn leave(&self, node: &Node, withdrawn: impl FnOnce(&mut Locked<'_, S>)) {
        let mut locked = self.lock();
        locked.unlink(node);
        withdrawn(&mut locked);
    }
}

/// Why a waiter stops waiting.
pub(super) enum Stop {
    Deadline,
    Interrupt(Interrupt),
}

#[inline(never)]
pub(super) fn stop(deadline: Option<Instant>) -> Option<Stop> {
    match due() {
        Some(interrupt) => Some(Stop::Interrupt(interrupt)),
        None => has_passed(deadline).then_some(Stop::Deadline),
    }
}

impl Stop {
    /// `yields`: the caller has not parked, and a loop around this must not keep the hub to itself.
    #[cold]
    pub(super) fn end<R>(self, yields: bool) -> Waited<R> {
        match self {
            Stop::Interrupt(interrupt) => Waited::Interrupted(interrupt),
            Stop::Deadline => {
                if yields {
                    give_way_quietly();
                }
                Waited::TimedOut
            }
        }
    }
}
