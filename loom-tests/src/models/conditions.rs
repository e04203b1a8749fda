//! `sync/condvar.rs` and `sync/barrier.rs`.

use std::time::Instant;

use loom::sync::Arc;
use loom::thread;

use super::explore_within;
use crate::sync::barrier::Barrier;
use crate::sync::condvar::Condvar;
use crate::sync::mutex::Mutex;
use crate::wait::{Me, Shield};

type Flag = (Mutex<bool>, Condvar);

fn flag() -> Arc<Flag> {
    Arc::new((Mutex::new(false), Condvar::new()))
}

fn raise(flag: &Flag) {
    *flag.0.lock() = true;
    flag.1.notify_one();
}

#[test]
fn a_notification_between_the_look_and_the_wait_is_not_lost() {
    explore_within(3, || {
        let flag = flag();
        let other = Arc::clone(&flag);
        let waiter = thread::spawn(move || {
            Me::new().enter();
            let mut raised = other.0.lock();
            other.1.wait_while(&mut raised, |raised| !*raised);
            assert!(*raised);
        });
        Me::new().enter();
        raise(&flag);
        waiter.join().unwrap();
    });
}

/// One notification, two who wait, and the time of one of them ends: unless it took the notification, the other did.
#[test]
fn a_notification_does_not_go_to_one_whose_time_is_up() {
    explore_within(2, || {
        let flag = flag();
        let timed = Me::new();
        let (other, me) = (Arc::clone(&flag), timed.clone());
        let first = thread::spawn(move || {
            me.enter();
            let mut raised = other.0.lock();
            let waited = other.1.wait_until(&mut raised, Instant::now());
            !waited.timed_out()
        });
        let other = Arc::clone(&flag);
        let second = thread::spawn(move || {
            Me::new().enter();
            let mut raised = other.0.lock();
            other.1.wait_while(&mut raised, |raised| !*raised);
        });
        timed.end_time();
        Me::new().enter();
        raise(&flag);
        // It has it: then it is the one to pass it on.
        if first.join().unwrap() {
            flag.1.notify_one();
        }
        second.join().unwrap();
    });
}

/// A kill that comes as the time is up must not unwind from within the wait, past the lock: here that would be a panic. The
/// caller's guard frees what it holds, and nobody else has it meanwhile.
#[test]
fn a_kill_that_meets_the_end_of_the_time_finds_the_lock_taken() {
    explore_within(3, || {
        let flag = flag();
        let waits = Me::new();
        waits.end_time();
        let (other, me) = (Arc::clone(&flag), waits.clone());
        let waiter = thread::spawn(move || {
            me.enter();
            // What comes here is another wait's affair.
            let shield = Shield::raise();
            let mut raised = other.0.lock();
            drop(shield);
            let _ = other.1.wait_until(&mut raised, Instant::now());
            *raised = false;
        });
        waits.kill();
        Me::new().enter();
        raise(&flag);
        waiter.join().unwrap();
    });
}

/// One is killed as the last comes: either it was counted, and both pass, or it comes again, and both pass then.
#[test]
fn a_barrier_counts_one_that_gives_up_once_or_not_at_all() {
    explore_within(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let victim = Me::new();
        let (other, me) = (Arc::clone(&barrier), victim.clone());
        let first = thread::spawn(move || {
            me.enter();
            other.meet().unwrap_or_else(|_| {
                let _shield = Shield::raise();
                other.meet().expect("nothing is delivered here")
            })
        });
        let killer = thread::spawn(move || victim.kill());
        Me::new().enter();
        let leads = barrier.meet().expect("nobody kills this one");
        assert_ne!(first.join().unwrap(), leads, "one leads");
        killer.join().unwrap();
    });
}
