//! What runs when a greenlet ends and is not this crate's: wakers, and destructors of values that nobody wants. They may wait, for
//! what only the same hub can bring about. So they must not run on a hub's own stack.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{Kind, Tally, Watchdog, both_kinds_on, eventually, until_parked, until_parked_in};
use greenhub::sync::Mutex;
use greenhub::{JoinHandle, channel, park, try_current};

/// A waker that calls a function.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Has `wake` called at the greenlet's end.
fn at_end<T>(handle: &mut JoinHandle<T>, wake: impl Fn() + Send + Sync + 'static) {
    let waker = Waker::from(Arc::new(Calls(wake)));
    let polled = Pin::new(handle).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Pending));
}

/// On the old code the only hub blocked in the waker, and whoever has the lock was never run again.
#[test]
fn a_waker_may_take_a_lock_that_a_greenlet_of_the_same_hub_has() {
    both_kinds_on(1, |kind| {
        let lock = Arc::new(Mutex::new(0));
        let holder = kind.spawn({
            let lock = Arc::clone(&lock);
            move || {
                let mut guard = lock.lock();
                park();
                *guard += 1;
            }
        });
        until_parked(holder.greenlet());
        let mut ends = kind.spawn(park);
        until_parked(ends.greenlet());
        let taken = Tally::new();
        at_end(&mut ends, {
            let (lock, taken) = (Arc::clone(&lock), taken.clone());
            move || {
                *lock.lock() += 1;
                taken.add();
            }
        });
        ends.greenlet().unpark();
        until_parked_in(ends.greenlet(), "lock");
        // It has left its value, whatever its waker does: a kill means nothing to it any more.
        assert!(ends.is_finished());
        ends.kill();
        ends.join().unwrap();
        assert_eq!(taken.get(), 0);
        holder.greenlet().unpark();
        eventually("the waker has the lock", || taken.get() == 1);
        holder.join().unwrap();
        assert_eq!(*lock.lock(), 2);
    });
}

#[test]
fn a_waker_may_send_to_a_greenlet_of_the_same_hub_and_join_one() {
    both_kinds_on(1, |kind| {
        let (sender, receiver) = channel::bounded(0);
        let other = std::sync::Mutex::new(Some(kind.spawn(|| 5)));
        let mut ends = kind.spawn(park);
        until_parked(ends.greenlet());
        at_end(&mut ends, move || {
            let joined = other.lock().unwrap().take().map(JoinHandle::join);
            sender.send(joined.unwrap().unwrap()).unwrap();
        });
        ends.greenlet().unpark();
        assert_eq!(receiver.recv(), Ok(5));
        ends.join().unwrap();
    });
}

/// Says where it is dropped.
struct Where(Arc<[AtomicUsize; 2]>);

impl Drop for Where {
    fn drop(&mut self) {
        let on_hub = std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with("greenhub"));
        if on_hub {
            self.0[usize::from(try_current().is_some())].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A thread lets go of the handle as the greenlet ends: one of the two drops the value, never the hub between two slices. (The
/// old code did, 1 to 40 times in 20,000.)
#[test]
fn a_value_is_dropped_by_its_greenlet_or_by_who_lets_go_of_the_handle() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = common::runtime(1);
        let dropped = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (sender, receiver) = channel::bounded::<JoinHandle<Where>>(1);
        let dropper = std::thread::spawn(move || receiver.iter().for_each(drop));
        runtime.run(|| {
            for _ in 0..20_000 {
                let value = Where(Arc::clone(&dropped));
                sender.send(kind.spawn(move || value)).unwrap();
                greenhub::yield_now();
            }
        });
        drop(sender);
        dropper.join().unwrap();
        drop(runtime);
        assert_eq!(dropped[0].load(Ordering::Relaxed), 0, "{kind:?}");
    }
}

/// A value's destructor may use a local for the first time, and wait.
#[test]
fn a_detached_value_is_dropped_where_it_may_wait() {
    greenhub::greenlet_local! {
        static LATE: Tally = Tally::new();
    }
    struct Waits(channel::Receiver<()>, Tally);
    impl Drop for Waits {
        fn drop(&mut self) {
            LATE.with(Tally::add);
            self.0.recv().unwrap();
            self.1.add();
        }
    }
    both_kinds_on(1, |kind| {
        let (sender, receiver) = channel::bounded(0);
        let dropped = Tally::new();
        let value = Waits(receiver, dropped.clone());
        drop(kind.spawn(move || value));
        sender.send(()).unwrap();
        eventually("it has been dropped", || dropped.get() == 1);
    });
}
