//! The inbox of a hub (`scheduler/inbox.rs`): what is pushed is taken once, in order, and an idle hub is notified once.
//!
//! Caught: a push that does not publish; a taking that does not acquire; going idle, or coming back, by a plain store over
//! what has come; nobody notifying, and everybody; the youngest taken first.

use std::ptr::{self, NonNull};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use loom::thread;

use super::{explore, explore_within};
use crate::bell::Bell;
use crate::scheduler::inbox::{Inbox, Linked, Pushed};

struct Node {
    link: AtomicPtr<Node>,
    pusher: usize,
    /// Written before the push, read after the taking: the push must publish it.
    number: UnsafeCell<usize>,
}

// SAFETY: the link is a field, and the models free no node before it was taken.
unsafe impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Node> {
        &self.link
    }
}

fn node(pusher: usize, number: usize) -> NonNull<Node> {
    let node = Node {
        link: AtomicPtr::new(ptr::null_mut()),
        pusher,
        number: UnsafeCell::new(0),
    };
    // SAFETY: nobody else has it.
    node.number.with_mut(|place| unsafe { *place = number });
    NonNull::from(Box::leak(Box::new(node)))
}

/// The hub has taken it: which it was.
fn free(node: NonNull<Node>) -> (usize, usize) {
    // SAFETY: leaked in `node`, pushed once, taken once.
    let node = unsafe { Box::from_raw(node.as_ptr()) };
    // SAFETY: what the model is to show.
    (node.pusher, node.number.with(|number| unsafe { *number }))
}

struct Hub {
    inbox: Inbox<Node>,
    bell: Bell,
    notifies: AtomicUsize,
}

impl Hub {
    fn new() -> Arc<Hub> {
        Arc::new(Hub {
            inbox: Inbox::new(),
            bell: Bell::new(),
            notifies: AtomicUsize::new(0),
        })
    }

    /// `Remote::schedule` on another thread.
    fn deliver(&self, pusher: usize, number: usize) {
        if self.inbox.push(node(pusher, number)) == Pushed::Idle {
            self.notifies.fetch_add(1, Ordering::Relaxed);
            self.bell.ring();
        }
    }

    /// The hub's loop, as long as it has only its inbox to look at; how often it was idle.
    fn receive(&self, count: usize) -> (Vec<(usize, usize)>, usize) {
        let mut received = Vec::new();
        let mut idles = 0;
        loop {
            received.extend(self.inbox.take().map(free));
            if received.len() == count {
                return (received, idles);
            }
            if self.inbox.enter_idle() {
                idles += 1;
                self.bell.wait();
            }
            self.inbox.leave_idle();
        }
    }
}

#[test]
fn a_push_that_races_with_a_hub_going_idle_is_taken() {
    explore(|| {
        let hub = Hub::new();
        let pusher = Arc::clone(&hub);
        let pusher = thread::spawn(move || pusher.deliver(0, 1));
        let (received, idles) = hub.receive(1);
        pusher.join().unwrap();
        assert_eq!(received, [(0, 1)]);
        assert!(
            hub.notifies.load(Ordering::Relaxed) <= idles,
            "an awake hub was notified"
        );
    });
}

#[test]
fn an_idle_hub_is_notified_once() {
    explore(|| {
        let hub = Hub::new();
        assert!(hub.inbox.enter_idle());
        let pushers = [0, 1].map(|name| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || hub.deliver(name, 1))
        });
        pushers
            .into_iter()
            .for_each(|pusher| pusher.join().unwrap());
        assert_eq!(hub.notifies.load(Ordering::Relaxed), 1);
        hub.inbox.leave_idle();
        assert!(hub.inbox.has_nodes());
        assert_eq!(hub.inbox.take().map(free).count(), 2);
        assert!(!hub.inbox.has_nodes());
    });
}

/// A hub that comes back by itself takes what has come meanwhile, notified or not.
#[test]
fn a_push_that_races_with_a_hub_coming_back_is_taken() {
    explore(|| {
        let hub = Hub::new();
        assert!(hub.inbox.enter_idle());
        let pusher = Arc::clone(&hub);
        let pusher = thread::spawn(move || pusher.deliver(0, 1));
        hub.inbox.leave_idle();
        let (received, idles) = hub.receive(1);
        pusher.join().unwrap();
        assert_eq!(received, [(0, 1)]);
        assert!(hub.notifies.load(Ordering::Relaxed) <= idles + 1);
    });
}

/// Two preemptions: all interleavings are too many.
#[test]
fn what_each_pusher_pushed_is_taken_in_its_order() {
    explore_within(2, || {
        let hub = Hub::new();
        let pushers = [0, 1].map(|name| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || (name..2).for_each(|number| hub.deliver(name, number)))
        });
        let (received, idles) = hub.receive(3);
        pushers
            .into_iter()
            .for_each(|pusher| pusher.join().unwrap());
        for name in [0, 1] {
            let numbers: Vec<_> = received
                .iter()
                .filter(|(pusher, _)| *pusher == name)
                .map(|(_, n)| *n)
                .collect();
            assert_eq!(numbers, [0, 1][name..]);
        }
        assert!(hub.notifies.load(Ordering::Relaxed) <= idles);
    });
}
