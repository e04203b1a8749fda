//! Waiting for one of several things.

use std::time::Instant;

use smallvec::SmallVec;

use super::node::Node;
use super::queue::{Waited, stop};
use super::ticket::{Ticket, Token};
use crate::greenlet::WaitKind;
use crate::wait::interrupt::deliver;
use crate::wait::park::park_quietly;

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
    let ticket = Ticket::new();
    let nodes = Nodes::new(cases, &ticket);
    if let Some(ready) = nodes.link() {
        if ticket.withdraw() {
            return Outcome::Ready(ready);
        }
    }
    let mut yields = true;
    loop {
        if let Some((index, token)) = ticket.outcome() {
            return Outcome::Completed(index, token);
        }
        if let Some(stop) = stop(deadline) {
            if ticket.withdraw() {
                nodes.unlink();
                if let Waited::Interrupted(interrupt) = stop.end::<()>(yields) {
                    deliver(interrupt);
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
    fn new(cases: &'a [(&'a dyn Enqueue, usize)], ticket: &Ticket) -> Nodes<'a> {
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
