//! A greenlet placed on one hub against the runtime's end (`scheduler/placement.rs`, `closing.rs`, `inbox.rs`): it is run or
//! cancelled, once, and what had settled on the hub is not lost when its inbox is emptied by another thread.
//!
//! Caught: the fence left out after a delivery; a spawner, or a hub, that does not look again; a spawner that
//! does not notify the hub whose inbox it has emptied, or keeps what has started.

use std::ptr::{self, NonNull};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use loom::thread;

use super::explore_within;
use crate::bell::Bell;
use crate::scheduler::closing::Closing;
use crate::scheduler::inbox::{Inbox, Linked, Pushed};

struct Node {
    link: AtomicPtr<Node>,
    fresh: bool,
}

// SAFETY: the link is a field, and the models free no node before it was taken.
unsafe impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Node> {
        &self.link
    }
}

fn node(fresh: bool) -> NonNull<Node> {
    let link = AtomicPtr::new(ptr::null_mut());
    NonNull::from(Box::leak(Box::new(Node { link, fresh })))
}

struct Runtime {
    closing: Closing,
    inbox: Inbox<Node>,
    hub: Bell,
    /// How many greenlets were run or cancelled.
    ended: AtomicUsize,
}

impl Runtime {
    fn new() -> Arc<Runtime> {
        Arc::new(Runtime {
            closing: Closing::new(),
            inbox: Inbox::new(),
            hub: Bell::new(),
            ended: AtomicUsize::new(0),
        })
    }

    /// It has been taken: whether it was fresh.
    fn end(&self, node: NonNull<Node>) -> bool {
        self.ended.fetch_add(1, Ordering::Relaxed);
        // SAFETY: leaked in `node`, and taken once.
        unsafe { Box::from_raw(node.as_ptr()) }.fresh
    }

    /// `Remote::deliver` and the notify.
    fn deliver(&self, node: NonNull<Node>) {
        if self.inbox.push(node) == Pushed::Idle {
            self.hub.ring();
        }
    }

    /// `placement::deliver`.
    fn place(&self) {
        if self.closing.is_raised() {
            self.end(node(true));
        } else {
            self.place_on_the_way();
        }
    }

    /// The same, after its first look at the flag.
    fn place_on_the_way(&self) {
        self.deliver(node(true));
        if self.closing.is_raised_after_push() {
            self.clear_inbox();
        }
    }

    /// `shutdown::clear_inbox`.
    fn clear_inbox(&self) {
        let mut started = Vec::new();
        for taken in self.inbox.take() {
            // SAFETY: this thread has taken it.
            if unsafe { taken.as_ref() }.fresh {
                self.end(taken);
            } else {
                started.push(taken);
            }
        }
        for taken in started {
            let _notified_below = self.inbox.push(taken);
        }
        self.hub.ring();
    }

    /// A hub, until it ends: not before so many that have settled on it have come up.
    fn run(&self, mut owned: usize) {
        let take = |owned: &mut usize| {
            for taken in self.inbox.take() {
                if !self.end(taken) {
                    *owned -= 1;
                }
            }
        };
        loop {
            take(&mut owned);
            if owned == 0 && self.closing.is_raised_before_last_look() {
                take(&mut owned);
                return;
            }
            if self.inbox.enter_idle() {
                self.hub.wait();
            }
            self.inbox.leave_idle();
        }
    }

    fn close(&self) {
        self.closing.raise();
        self.hub.ring();
    }
}

/// Three preemptions.
#[test]
fn what_is_placed_while_the_runtime_closes_is_run_or_cancelled_once() {
    explore_within(3, || {
        let runtime = Runtime::new();
        let hub = Arc::clone(&runtime);
        let hub = thread::spawn(move || hub.run(0));
        let spawner = Arc::clone(&runtime);
        let spawner = thread::spawn(move || spawner.place());
        runtime.close();
        hub.join().unwrap();
        spawner.join().unwrap();
        assert_eq!(runtime.ended.load(Ordering::Relaxed), 1);
    });
}

/// Two preemptions. The flag is up already, so the spawner always clears.
#[test]
fn what_has_settled_is_not_lost_when_a_spawner_empties_the_placed_inbox() {
    explore_within(2, || {
        let runtime = Runtime::new();
        runtime.close();
        let spawner = Arc::clone(&runtime);
        let spawner = thread::spawn(move || spawner.place_on_the_way());
        let waker = Arc::clone(&runtime);
        let waker = thread::spawn(move || waker.deliver(node(false)));
        runtime.run(1);
        spawner.join().unwrap();
        waker.join().unwrap();
        assert_eq!(runtime.ended.load(Ordering::Relaxed), 2);
    });
}
