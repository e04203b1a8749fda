//! Loops that go on until somebody else has done something: that somebody may be on the same hub. On threads the system takes
//! the processor from such a loop now and then; here the calls in it give way. All of this runs on one hub, where the old code
//! hangs.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Kind, Tally, both_kinds_on, eventually, runtime, until_parked};
use greenhub::channel::{Receiver, RecvError, unbounded};
use greenhub::sync::{Mutex, ReentrantMutex, RwLock};
use greenhub::{catch_kill, park, timeout};

/// A channel whose only sender is let go of by a greenlet of the same hub, once it is unparked.
fn closed_by_another(kind: Kind) -> (Receiver<u8>, greenhub::JoinHandle<()>) {
    let (sender, receiver) = unbounded();
    let closer = kind.spawn(move || {
        park();
        drop(sender);
    });
    until_parked(closer.greenlet());
    (receiver, closer)
}

/// Catches whatever breaks the wait off, counts it, and waits again, until the channel is closed.
fn insist(receiver: &Receiver<u8>, broken_off: &Tally) {
    loop {
        match catch_unwind(AssertUnwindSafe(|| receiver.recv())) {
            Ok(received) => return assert_eq!(received, Err(RecvError)),
            Err(_) => broken_off.add(),
        }
    }
}

#[test]
fn a_killed_greenlet_that_catches_and_waits_again_lets_others_run() {
    both_kinds_on(1, |kind| {
        let (receiver, closer) = closed_by_another(kind);
        let broken_off = Tally::new();
        let stubborn = kind.spawn({
            let broken_off = broken_off.clone();
            move || insist(&receiver, &broken_off)
        });
        until_parked(stubborn.greenlet());
        stubborn.kill();
        eventually("it is broken off", || broken_off.get() > 1);
        closer.greenlet().unpark();
        stubborn.join().unwrap();
        closer.join().unwrap();
    });
}

#[test]
fn so_does_one_whose_time_is_up() {
    both_kinds_on(1, |kind| {
        let (receiver, closer) = closed_by_another(kind);
        let broken_off = Tally::new();
        let late = kind.spawn({
            let broken_off = broken_off.clone();
            move || timeout(Duration::ZERO, || insist(&receiver, &broken_off))
        });
        eventually("it is broken off", || broken_off.get() > 1);
        closer.greenlet().unpark();
        late.join().unwrap().unwrap();
        closer.join().unwrap();
    });
}

/// A runtime's end kills again and again whoever refuses; the refusing ends with another greenlet's destructor.
#[test]
fn a_runtime_ends_although_a_greenlet_refuses_until_another_has_ended() {
    let _watchdog = common::Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(1);
        let over = Arc::new(AtomicBool::new(false));
        runtime.run(|| {
            let stubborn = || {
                let over = Arc::clone(&over);
                kind.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        let _refused = catch_kill(park);
                    }
                })
            };
            // One of them is killed before the other greenlet, whatever the order.
            let before = stubborn();
            let other = kind.spawn({
                let over = Arc::clone(&over);
                move || {
                    let _ends = common::OnDrop(move || over.store(true, Ordering::Release));
                    loop {
                        park();
                    }
                }
            });
            let after = stubborn();
            [before, other, after]
                .iter()
                .for_each(|one| until_parked(one.greenlet()));
        });
        drop(runtime);
        assert!(over.load(Ordering::Acquire));
    }
}

#[test]
fn asking_whether_another_has_ended_lets_it_end() {
    both_kinds_on(1, |kind| {
        let other = kind.spawn(|| 5);
        while !other.is_finished() {}
        assert_eq!(other.join().unwrap(), 5);
    });
}

#[test]
fn a_flag_that_another_sets_is_seen_by_a_loop_of_checkpoints() {
    both_kinds_on(1, |kind| {
        let flag = Arc::new(AtomicBool::new(false));
        let other = kind.spawn({
            let flag = Arc::clone(&flag);
            move || flag.store(true, Ordering::Release)
        });
        while !flag.load(Ordering::Acquire) {
            greenhub::checkpoint();
        }
        other.join().unwrap();
    });
}

/// A question is no wait: it does not unwind, even if the greenlet has been killed.
#[test]
fn a_question_delivers_nothing() {
    both_kinds_on(1, |kind| {
        let other = kind.spawn(park);
        let asking = kind.spawn(move || {
            greenhub::current().kill();
            let asked = catch_unwind(AssertUnwindSafe(|| {
                let began = std::time::Instant::now();
                while began.elapsed() < Duration::from_millis(5) {
                    assert!(!other.is_finished());
                }
            }));
            other.kill();
            asked.is_ok()
        });
        assert!(asking.join().unwrap());
    });
}

/// A lock that is formatted is tried, too, while what is printed to may be locked: nobody is let in between.
#[test]
fn formatting_a_locked_lock_yields_to_nobody() {
    both_kinds_on(1, |kind| {
        let (mutex, rwlock) = (Mutex::new(1), RwLock::new(2));
        let reentrant = Arc::new(ReentrantMutex::new(3));
        let holder = kind.spawn({
            let reentrant = Arc::clone(&reentrant);
            move || {
                let _guard = reentrant.lock();
                park();
            }
        });
        until_parked(holder.greenlet());
        let (_held, _written) = (mutex.lock(), rwlock.write());
        let others = Tally::new();
        let other = kind.spawn({
            let others = others.clone();
            move || others.add()
        });
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(5) {
            let text = format!("{mutex:?} {rwlock:?} {reentrant:?}");
            assert!(text.contains("locked"), "{text}");
        }
        assert_eq!(others.get(), 0);
        while mutex.try_lock().is_none() && rwlock.try_read().is_none() && others.get() == 0 {}
        other.join().unwrap();
        holder.greenlet().unpark();
        holder.join().unwrap();
    });
}

/// A thread's loop of yields is a loop of waits, however short.
#[test]
fn a_limit_ends_a_threads_loop_of_yields() {
    let _watchdog = common::Watchdog::new();
    let ended = timeout(Duration::from_millis(1), || {
        loop {
            greenhub::yield_now();
        }
    });
    assert!(ended.is_err());
}
