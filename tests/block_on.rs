//! Futures in greenlets, and greenlets as futures.

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{Tally, Watchdog, everywhere, until_parked};
use greenhub::block_on;

/// Ready when it has been told, from anywhere.
#[derive(Clone, Default)]
struct Signal(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Signal {
    fn tell(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        self.0.1.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    }

    async fn told(self) {
        poll_fn(|context| {
            self.0.1.lock().unwrap().push(context.waker().clone());
            if self.0.0.load(Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[test]
fn a_future_is_woken_from_anywhere_also_after_its_end() {
    everywhere(|kind| {
        let (from_thread, from_greenlet) = (Signal::default(), Signal::default());
        let futures = (from_thread.clone(), from_greenlet.clone());
        let waiting = kind.spawn(move || {
            block_on(async {
                futures.0.told().await;
                futures.1.told().await;
                7
            })
        });
        until_parked(waiting.greenlet());
        from_thread.wake();
        let thread = std::thread::spawn({
            let signal = from_thread.clone();
            move || signal.tell()
        });
        thread.join().unwrap();
        let teller = from_greenlet.clone();
        kind.spawn(move || teller.tell()).join().unwrap();
        assert_eq!(waiting.join().unwrap(), 7);
        from_thread.wake();
        from_greenlet.wake();
    });
}

#[test]
fn a_thread_runs_a_future() {
    let _watchdog = Watchdog::new();
    let signal = Signal::default();
    let teller = signal.clone();
    let handle = greenhub::spawn(move || teller.tell());
    block_on(async {
        signal.told().await;
        handle.await.unwrap();
    });
    assert_eq!(block_on(async { block_on(async { 5 }) + 1 }), 6);
}

#[test]
fn a_future_that_wakes_itself_lets_others_run() {
    everywhere(|kind| {
        let done = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&done);
        let busy = kind.spawn(move || {
            block_on(poll_fn(|context| {
                context.waker().wake_by_ref();
                if other.load(Ordering::Relaxed) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
        });
        greenhub::yield_now();
        done.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}

/// A wait within the poll may take a wake-up that was meant for the future: it is not lost.
#[test]
fn a_poll_may_itself_wait() {
    everywhere(|kind| {
        let signal = Signal::default();
        let future = signal.clone();
        let waiting = kind.spawn(move || {
            let mut told = pin!(future.told());
            block_on(poll_fn(|context| {
                let polled = told.as_mut().poll(context);
                greenhub::sleep(Duration::from_millis(1));
                polled
            }));
        });
        greenhub::yield_now();
        signal.tell();
        waiting.join().unwrap();
    });
}

#[test]
fn a_future_that_is_broken_off_is_dropped() {
    everywhere(|kind| {
        let tally = Tally::new();
        let pending = |tally: &Tally| {
            let on_drop = tally.on_drop();
            async move {
                let _on_drop = on_drop;
                std::future::pending::<()>().await;
            }
        };
        let future = pending(&tally);
        let waiting = kind.spawn(move || block_on(future));
        until_parked(waiting.greenlet());
        waiting.kill();
        assert!(waiting.join().unwrap_err().is_killed());
        let future = pending(&tally);
        assert!(greenhub::timeout(Duration::from_millis(1), || block_on(future)).is_err());
        assert_eq!(tally.get(), 2);
    });
}

#[test]
fn a_foreign_executor_waits_for_greenlets() {
    struct Unparks(std::thread::Thread, AtomicUsize);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.unpark();
        }
    }
    let _watchdog = Watchdog::new();
    let unparks = Arc::new(Unparks(std::thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&unparks));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(async {
        let first = greenhub::spawn(|| {
            greenhub::sleep(Duration::from_millis(2));
            20
        });
        let second = greenhub::spawn(|| 22);
        first.await.unwrap() + second.await.unwrap()
    });
    let sum = loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(sum) => break sum,
            Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(sum, 42);
    assert!(unparks.1.load(Ordering::SeqCst) >= 1);
}
