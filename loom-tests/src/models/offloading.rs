//! `offload/outcome.rs`: what a call returns, and a waiter that may be killed.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::offload::Outcome;
use crate::wait::Me;

/// Loom sees whether one is leaked.
type Value = Arc<()>;

#[test]
fn what_a_call_returns_comes_to_who_waits() {
    explore(|| {
        let outcome = Arc::new(Outcome::<Value>::new());
        let other = Arc::clone(&outcome);
        let waiter = thread::spawn(move || {
            Me::new().enter();
            assert!(other.wait().is_ok());
        });
        assert!(outcome.put(Value::new(())).is_none());
        waiter.join().unwrap();
    });
}

/// The value has one owner: either the waiter, who returns with it in spite of the kill, or who has brought it.
#[test]
fn a_value_is_returned_or_given_back_whenever_the_waiter_is_killed() {
    explore(|| {
        let outcome = Arc::new(Outcome::<Value>::new());
        let me = Me::new();
        let (victim, other) = (me.clone(), Arc::clone(&outcome));
        let waiter = thread::spawn(move || {
            victim.enter();
            other.wait().ok()
        });
        // One after the other: the waiter may notice the kill as late as it likes.
        me.kill();
        let unwanted = outcome.put(Value::new(()));
        let returned = waiter.join().unwrap();
        assert!(returned.is_some() != unwanted.is_some());
    });
}
