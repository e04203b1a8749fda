//! `wait/wait_queue`: completions, deadlines and kills, and waits for one of several things.

use std::time::Instant;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, explore_within};
use crate::greenlet::WaitKind;
use crate::primitive::atomic::fence;
use crate::wait::{Enqueue, Locked, Me, Node, Outcome, Token, Wait, WaitQueue, Waited, wait_any};

/// A number of things to be taken, under the queue's lock; and what takes one waits for it.
type Things = WaitQueue<usize>;

fn take(things: &Things, deadline: Option<Instant>) -> Waited<()> {
    let look = |things: &mut Locked<'_, usize>, me: &Node| {
        (**things > 0 && !things.has_others(me, |_| true)).then(|| **things -= 1)
    };
    things.wait_quietly(Wait::new(WaitKind::Semaphore, deadline), look, hand_out)
}

fn put(things: &Things) {
    let mut things = things.lock();
    *things += 1;
    hand_out(&mut things);
}

fn hand_out(things: &mut Locked<'_, usize>) {
    while **things > 0 && things.complete_first(Token::Given) {
        **things -= 1;
    }
}

fn took(waited: Waited<()>) -> bool {
    matches!(waited, Waited::Ready(()) | Waited::Completed(Token::Given))
}

/// Some point in time: the model says when it has passed.
fn limited() -> Option<Instant> {
    Some(Instant::now())
}

#[test]
fn what_is_put_is_taken_by_who_waits() {
    explore(|| {
        let things = Arc::new(Things::new(0));
        let other = Arc::clone(&things);
        let taker = thread::spawn(move || {
            Me::new().enter();
            assert!(took(take(&other, None)));
        });
        put(&things);
        taker.join().unwrap();
        assert_eq!(*things.lock(), 0);
    });
}

/// What is waited for lies outside of the lock.
#[test]
fn a_change_without_the_lock_is_seen_or_told() {
    explore(|| {
        let shared = Arc::new((AtomicBool::new(false), WaitQueue::new(())));
        let other = Arc::clone(&shared);
        let waiter = thread::spawn(move || {
            Me::new().enter();
            while !other.0.load(Ordering::Acquire) {
                let look = |_: &mut Locked<'_, ()>, _: &Node| {
                    other.0.load(Ordering::Acquire).then_some(())
                };
                let _again =
                    other
                        .1
                        .wait_quietly(Wait::new(WaitKind::Semaphore, None), look, |_| ());
            }
        });
        shared.0.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if shared.1.has_waiters() {
            shared.1.lock().complete_first(Token::Retry);
        }
        waiter.join().unwrap();
    });
}

/// Either the waiter has it, or it is still there.
#[test]
fn a_deadline_that_races_with_a_completion_loses_nothing() {
    explore_within(3, || {
        let things = Arc::new(Things::new(0));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&things), me.clone());
        let taker = thread::spawn(move || {
            timed.enter();
            took(take(&other, limited()))
        });
        let timer = thread::spawn(move || me.end_time());
        put(&things);
        timer.join().unwrap();
        let took = usize::from(taker.join().unwrap());
        assert_eq!(*things.lock() + took, 1);
    });
}

#[test]
fn a_kill_that_races_with_a_completion_loses_nothing() {
    explore_within(3, || {
        let things = Arc::new(Things::new(0));
        let me = Me::new();
        let (other, victim) = (Arc::clone(&things), me.clone());
        let taker = thread::spawn(move || {
            victim.enter();
            took(take(&other, None))
        });
        let killer = thread::spawn(move || me.kill());
        put(&things);
        killer.join().unwrap();
        let took = usize::from(taker.join().unwrap());
        assert_eq!(*things.lock() + took, 1);
    });
}

/// The first gives up, or not: the second gets what the first did not take.
#[test]
fn what_one_who_withdraws_does_not_take_goes_to_the_next() {
    explore_within(2, || {
        let things = Arc::new(Things::new(0));
        let me = Me::new();
        let (other, timed) = (Arc::clone(&things), me.clone());
        let first = thread::spawn(move || {
            timed.enter();
            took(take(&other, limited()))
        });
        let other = Arc::clone(&things);
        let second = thread::spawn(move || {
            Me::new().enter();
            assert!(took(take(&other, None)));
        });
        me.end_time();
        put(&things);
        // Should the first have been faster.
        if first.join().unwrap() {
            put(&things);
        }
        second.join().unwrap();
        assert_eq!(*things.lock(), 0);
    });
}

impl Enqueue for Things {
    fn link(&self, node: &Node) -> bool {
        WaitQueue::link(self, node);
        *self.lock() > 0
    }

    fn unlink(&self, node: &Node) {
        WaitQueue::unlink(self, node);
    }
}

fn try_take(things: &Things) -> bool {
    let mut things = things.lock();
    let some = *things > 0;
    if some {
        *things -= 1;
    }
    some
}

/// One waits for either of two things, and both are put: it takes one, and the other stays.
#[test]
fn of_several_waits_one_is_completed() {
    explore_within(2, || {
        let things = [Arc::new(Things::new(0)), Arc::new(Things::new(0))];
        let both = things.clone();
        let taker = thread::spawn(move || {
            Me::new().enter();
            loop {
                let cases: [(&dyn Enqueue, usize); 2] = [(&*both[0], 0), (&*both[1], 0)];
                match wait_any(&cases, WaitKind::Semaphore, None) {
                    Outcome::Completed(_, Token::Given) => return,
                    Outcome::Ready(index) if try_take(&both[index]) => return,
                    _ => {}
                }
            }
        });
        let one = Arc::clone(&things[0]);
        let putter = thread::spawn(move || put(&one));
        put(&things[1]);
        putter.join().unwrap();
        taker.join().unwrap();
        assert_eq!(*things[0].lock() + *things[1].lock(), 1);
    });
}
