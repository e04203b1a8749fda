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
//!
//! ```text
//!   queue     WaitQueue, and waiting in it          ticket    what becomes of one wait
//!   any       waiting for one of several things     node      one waiter in one list
//!   locked    the lock: the list, the state, completing waits
//! ```

mod any;
mod locked;
mod node;
mod queue;
mod ticket;

pub(crate) use any::{Enqueue, Outcome, wait_any};
pub(crate) use locked::{Given, Locked};
pub(crate) use node::Node;
pub(crate) use queue::{Wait, WaitQueue, Waited};
pub(crate) use ticket::Token;
