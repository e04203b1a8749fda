//! Where all wait who wait for the same thing: one lock, the state that it guards, and a first-in first-out list of nodes
//! that lie on the waiters' own stacks.
//!
//! # The protocol
//!
//! A *ticket* decides what becomes of a wait. It is one word, zero while the wait goes on, and leaves zero once: by whoever
//! completes the wait, or by the waiter that withdraws, because its deadline has passed or a kill is due. So:
//!
//! 1. **A completed wait is never lost.** A waiter that finds its ticket completed returns so, whatever else is due; what it
//!    was handed (a permit, a lock, a message) is its own. It withdraws only by moving its ticket itself.
//! 2. **A completion is never given to one who is gone.** Whoever completes moves the ticket first, and if that fails takes
//!    the next node: what it has to give goes to a waiter that will take it, or stays.
//! 3. **A node is alive while somebody looks at it.** It is reached only from the list, under the lock. A waiter leaves only
//!    after it has taken its node out under the lock, or has found its ticket completed; and the move of the ticket is the last
//!    that a completer does with ticket and node (the unparker was taken out before).
//! 4. **No wake-up is lost**: a node is in the list before its owner looks once more at what it waits for. Where that is not
//!    guarded by the lock, whoever changes it fences (`SeqCst`) before [`WaitQueue::has_waiters`], as [`WaitQueue::wait`] does
//!    between the insertion and the look.
//!
//! Greenlets and OS threads are woken after the lock is released.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::Instant;

use smallvec::SmallVec;

use super::interrupt::due;
use super::park::{has_passed, park_quietly};
use super::unparker::current_unparker;
use super::yielding::yield_now;
use crate::greenlet::{Interrupt, Unparker, WaitKind, deliver_by_unwinding};
use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use crate::primitive::cell::UnsafeCell;
use crate::primitive::const_fn;
use crate::primitive::sync::{Mutex, MutexGuard};

/// Waiters for the same thing, and the state `S` under their lock.
#[derive(Debug)]
pub(crate) struct WaitQueue<S> {
    /// How many nodes are in the list: written under the lock, read without it.
    len: AtomicUsize,
    contents: Mutex<Contents<S>>,
}

#[derive(Debug)]
struct Contents<S> {
    first: *const Node,
    last: *const Node,
    state: S,
}

// SAFETY: the pointers are to nodes of waiters that are alive (point 3), touched under the lock alone.
unsafe impl<S: Send> Send for Contents<S> {}

/// One waiter in one list, on the waiter's stack.
#[derive(Debug)]
pub(crate) struct Node {
    ticket: *const AtomicUsize,
    /// What the waiter's ticket becomes is `index` and the completer's token.
    index: usize,
    /// What the waiter wants those who complete it to know.
    tag: usize,
    /// Under the lock of the list.
    inner: UnsafeCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    previous: *const Node,
    next: *const Node,
    is_linked: bool,
    unparker: Option<Unparker>,
}

/// What a completer tells the waiter. Four values are enough for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Look again: what you wait for may be there.
    Retry = 1,
    /// What you wait for is yours.
    Given = 2,
    /// It will never come.
    Closed = 3,
}

const WAITING: usize = 0;
const WITHDRAWN: usize = usize::MAX;
const TOKENS: usize = 4;

/// How a wait is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// For reports.
    pub(crate) kind: WaitKind,
    /// When it ends without success; `None` for never.
    pub(crate) deadline: Option<Instant>,
    /// What completers are to know: see [`Locked::first_tag`].
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

/// How a wait for one of several things ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a completed wait may have been given something"]
pub(crate) enum Outcome {
    /// There was nothing to wait for: the look found this case ready.
    Ready(usize),
    /// Somebody completed the case of this number.
    Completed(usize, Token),
    /// The deadline has passed.
    TimedOut,
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
                contents: Mutex::new(Contents {
                    first: ptr::null(),
                    last: ptr::null(),
                    state,
                }),
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
        Locked {
            len: &self.len,
            contents: ManuallyDrop::new(self.contents.lock()),
            to_wake: WakeList::new(),
        }
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
            deliver_by_unwinding(interrupt);
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
        let ticket = AtomicUsize::new(WAITING);
        let node = Node::new(&ticket, 0, wait.tag);
        if let Some(ready) = self.enter(&node, wait.at_front, look) {
            return Waited::Ready(ready);
        }
        // From here to the end nothing unwinds: the node is in the list.
        let mut yields = true;
        loop {
            if let Some((_, token)) = outcome(&ticket) {
                return Waited::Completed(token);
            }
            if let Some(stop) = stop(wait.deadline) {
                if !withdraw(&ticket) {
                    continue;
                }
                self.leave(&node, withdrawn);
                return stop.end(yields);
            }
            yields = false;
            park_quietly(wait.kind, wait.deadline);
        }
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

/// One of several things to wait for.
pub(crate) trait Enqueue {
    /// Puts a node at the end of the list. `true`: what it is there for may be ready now, looked at after that.
    fn link(&self, node: &Node) -> bool;
    /// Takes it out, if it is in there.
    fn unlink(&self, node: &Node);
}

/// Waits until somebody completes one of `cases`, each of which has a tag; or not at all if one of them is ready when the
/// caller is in its list. The others are withdrawn. A kill or a time limit that is due unwinds from here.
#[track_caller]
#[inline(always)]
pub(crate) fn wait_any(
    cases: &[(&dyn Enqueue, usize)],
    kind: WaitKind,
    deadline: Option<Instant>,
) -> Outcome {
    let ticket = AtomicUsize::new(WAITING);
    let nodes = Nodes::new(cases, &ticket);
    if let Some(ready) = nodes.link() {
        if withdraw(&ticket) {
            return Outcome::Ready(ready);
        }
    }
    let mut yields = true;
    loop {
        if let Some((index, token)) = outcome(&ticket) {
            return Outcome::Completed(index, token);
        }
        if let Some(stop) = stop(deadline) {
            if withdraw(&ticket) {
                nodes.unlink();
                if let Waited::Interrupted(interrupt) = stop.end::<()>(yields) {
                    deliver_by_unwinding(interrupt);
                }
                return Outcome::TimedOut;
            }
            continue;
        }
        yields = false;
        park_quietly(kind, deadline);
    }
}

/// So many nodes need no allocation.
const FEW: usize = 8;

/// The nodes of a wait for several things: out of all lists when they are dropped. Not moved once they are linked.
struct Nodes<'a> {
    cases: &'a [(&'a dyn Enqueue, usize)],
    nodes: SmallVec<[Node; FEW]>,
}

impl<'a> Nodes<'a> {
    #[inline(always)]
    fn new(cases: &'a [(&'a dyn Enqueue, usize)], ticket: &AtomicUsize) -> Nodes<'a> {
        let nodes = cases.iter().enumerate();
        Nodes {
            cases,
            nodes: nodes
                .map(|(index, case)| Node::new(ticket, index, case.1))
                .collect(),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = (&Node, &'a dyn Enqueue)> {
        self.nodes.iter().zip(self.cases.iter().map(|case| case.0))
    }

    /// Takes all out of their lists. By reference: to drop a value early is to move it.
    #[inline(never)]
    fn unlink(&self) {
        for (node, queue) in self.nodes() {
            queue.unlink(node);
        }
    }

    /// Puts each into its list, unless one is ready before that.
    #[inline(never)]
    fn link(&self) -> Option<usize> {
        for (node, queue) in self.nodes() {
            node.set_unparker();
            if queue.link(node) {
                return Some(node.index);
            }
        }
        None
    }
}

impl Drop for Nodes<'_> {
    fn drop(&mut self) {
        self.unlink();
    }
}

impl Node {
    /// What its waiter wants completers to know.
    pub(crate) fn tag(&self) -> usize {
        self.tag
    }

    fn new(ticket: *const AtomicUsize, index: usize, tag: usize) -> Node {
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
    fn set_unparker(&self) {
        let unparker = current_unparker();
        // SAFETY: nobody else knows the node yet.
        self.inner
            .with_mut(|inner| unsafe { (*inner).unparker = Some(unparker) });
    }

    /// The wait goes on: neither completed nor withdrawn.
    fn waits(&self) -> bool {
        // SAFETY: the node is in a list whose lock the caller has, so the waiter has not left.
        unsafe { &*self.ticket }.load(Ordering::Relaxed) == WAITING
    }

    /// Moves the ticket: `true` if this is what completed the wait. Neither node nor ticket may be touched then.
    fn complete(&self, token: Token) -> bool {
        let completed = self.index * TOKENS + token as usize;
        // Release publishes what the completer did for the waiter.
        // SAFETY: as in `waits`.
        unsafe { &*self.ticket }
            .compare_exchange(WAITING, completed, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }
}

/// A node and those behind it; the lock of their list must be held meanwhile.
fn followers(first: Option<&Node>) -> impl Iterator<Item = &Node> {
    std::iter::successors(first, |node| {
        // SAFETY: nodes in a list are alive (point 3), their insides touched under its lock, which the caller has.
        node.inner
            .with_mut(|inner| unsafe { (*inner).next.as_ref() })
    })
}

/// How the ticket's wait was completed, if it was.
fn outcome(ticket: &AtomicUsize) -> Option<(usize, Token)> {
    // Acquire pairs with the release in `complete`.
    let word = ticket.load(Ordering::Acquire);
    let token = match word % TOKENS {
        1 => Token::Retry,
        2 => Token::Given,
        3 if word != WITHDRAWN => Token::Closed,
        _ => return None,
    };
    Some((word / TOKENS, token))
}

/// The waiter gives its wait up: `false` if it has been completed.
fn withdraw(ticket: &AtomicUsize) -> bool {
    ticket
        .compare_exchange(WAITING, WITHDRAWN, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok()
}

/// Why a waiter stops waiting.
enum Stop {
    Deadline,
    Interrupt(Interrupt),
}

#[inline(never)]
fn stop(deadline: Option<Instant>) -> Option<Stop> {
    match due() {
        Some(interrupt) => Some(Stop::Interrupt(interrupt)),
        None => has_passed(deadline).then_some(Stop::Deadline),
    }
}

impl Stop {
    /// `yields`: the caller has not parked, and a loop around this must not keep the hub to itself.
    #[cold]
    fn end<R>(self, yields: bool) -> Waited<R> {
        match self {
            Stop::Interrupt(interrupt) => Waited::Interrupted(interrupt),
            Stop::Deadline => {
                if yields {
                    yield_now();
                }
                Waited::TimedOut
            }
        }
    }
}

/// The lock of a queue, held for a moment. Whoever was completed meanwhile is woken when it is released.
pub(crate) struct Locked<'a, S> {
    len: &'a AtomicUsize,
    contents: ManuallyDrop<MutexGuard<'a, Contents<S>>>,
    to_wake: WakeList,
}

/// Taken out of nodes, woken after the lock is released.
type WakeList = SmallVec<[Unparker; 2]>;

impl<S> Locked<'_, S> {
    /// Nobody waits.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.first().is_none()
    }

    /// The tag of the first in the list.
    pub(crate) fn first_tag(&mut self) -> Option<usize> {
        self.first().map(|node| node.tag)
    }

    /// Completes the wait of the first in the list. `false`: nobody waits, or it has just withdrawn.
    pub(crate) fn complete_if_waits(&mut self, token: Token) -> bool {
        self.first().is_some_and(|node| self.complete(node, token))
    }

    /// Completes the wait of the first in the list that still waits. `false`: nobody did.
    pub(crate) fn complete_first(&mut self, token: Token) -> bool {
        while let Some(node) = self.first() {
            if self.complete(node, token) {
                return true;
            }
        }
        false
    }

    /// Completes the waits of all, and says how many they were.
    pub(crate) fn complete_all(&mut self, token: Token) -> usize {
        std::iter::from_fn(|| self.complete_first(token).then_some(())).count()
    }

    /// The first in the list with a tag that is `wanted`.
    pub(crate) fn first_tag_of(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        self.first_of(wanted).map(|node| node.tag)
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
        let Some(node) = self.first_of(wanted) else {
            return Given::Nobody;
        };
        let tag = node.tag;
        let given = give(tag);
        if self.complete(node, token) {
            Given::Taken(given)
        } else {
            // The waiter cannot leave before the lock is released, so whatever the tag names is still there.
            take_back(tag, given);
            Given::Withdrawn
        }
    }

    /// Somebody with a tag that is `wanted` waits who is not the waiter that `me` belongs to.
    pub(crate) fn has_others(&mut self, me: &Node, wanted: impl Fn(usize) -> bool) -> bool {
        let first = self.first();
        followers(first).any(|node| node.ticket != me.ticket && wanted(node.tag) && node.waits())
    }

    fn first_of<'n>(&mut self, wanted: impl Fn(usize) -> bool) -> Option<&'n Node> {
        let first = self.first();
        followers(first).find(|node| wanted(node.tag) && node.waits())
    }

    /// The first in the list, without those who have withdrawn or were completed elsewhere.
    fn first<'n>(&mut self) -> Option<&'n Node> {
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

    fn link(&mut self, node: &Node, at_front: bool) {
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
    fn unlink(&mut self, node: &Node) {
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

impl<S> Contents<S> {
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
