//! What std promises of its threads, asked of greenlets: `thread::spawn`, `Builder`, `JoinHandle`, `park`, `scope`,
//! `sleep`, `yield_now`, `thread_local!`, in the order of std's own documentation.

mod common;

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::panic::{panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use common::{Kind, both_kinds, everywhere, panic_of};

/// std's channel, received from without blocking the hub.
#[track_caller]
fn receive<T>(receiver: &Receiver<T>) -> T {
    let mut received = None;
    common::eventually("a message comes", || match receiver.try_recv() {
        Ok(message) => {
            received = Some(message);
            true
        }
        Err(TryRecvError::Empty) => false,
        Err(TryRecvError::Disconnected) => panic!("all senders are gone"),
    });
    received.unwrap()
}

fn payload(kind: Kind, body: impl FnOnce() + Send + 'static) -> Box<dyn Any + Send> {
    kind.spawn(body).join().unwrap_err().into_panic()
}

#[test]
fn an_unnamed_one_has_no_name() {
    everywhere(|kind| {
        kind.spawn(|| assert_eq!(greenhub::current().name(), None))
            .join()
            .unwrap();
    });
}

#[test]
fn a_named_one_knows_its_name() {
    everywhere(|kind| {
        let named = kind.builder().name("ada lovelace".to_owned());
        named
            .spawn(|| assert_eq!(greenhub::current().name(), Some("ada lovelace")))
            .unwrap()
            .join()
            .unwrap();
    });
}

#[test]
fn a_closure_runs_and_sends() {
    everywhere(|kind| {
        let (sender, receiver) = mpsc::channel();
        let handle = kind.spawn(move || sender.send(7).unwrap());
        assert_eq!(receive(&receiver), 7);
        handle.join().unwrap();
    });
}

#[test]
fn a_panic_is_an_error_of_the_join() {
    everywhere(|kind| {
        assert!(kind.spawn(|| panic!("on purpose")).join().is_err());
    });
}

#[test]
fn one_spawns_the_next() {
    fn child(kind: Kind, left: u32, done: Sender<u32>) {
        drop(kind.spawn(move || match left {
            0 => done.send(left).unwrap(),
            _ => child(kind, left - 1, done),
        }));
    }
    everywhere(|kind| {
        let (done, is_done) = mpsc::channel();
        child(kind, 40, done);
        assert_eq!(receive(&is_done), 0);
    });
}

#[test]
fn a_spawner_may_end_before_its_child() {
    everywhere(|kind| {
        let (sender, receiver) = mpsc::channel();
        drop(kind.spawn(move || {
            drop(kind.spawn(move || {
                greenhub::yield_now();
                sender.send(()).unwrap();
            }));
        }));
        receive(&receiver);
    });
}

#[test]
fn captures_keep_their_addresses() {
    everywhere(|kind| {
        let (sender, receiver) = mpsc::channel();
        let boxed = Box::new(1_u8);
        let address = (&raw const *boxed).addr();
        drop(kind.spawn(move || sender.send((&raw const *boxed).addr()).unwrap()));
        assert_eq!(receive(&receiver), address);
    });
}

#[test]
fn a_panics_payload_arrives_as_it_was_thrown() {
    everywhere(|kind| {
        let thrown = payload(kind, || panic!("a literal"));
        assert_eq!(thrown.downcast_ref(), Some(&"a literal"));

        let number = 7;
        let thrown = payload(kind, move || panic!("formatted {number}"));
        assert_eq!(*thrown.downcast::<String>().unwrap(), "formatted 7");

        let thrown = payload(kind, || panic_any(Box::new(413_u16) as Box<dyn Any + Send>));
        let inner = thrown.downcast::<Box<dyn Any + Send>>().unwrap();
        assert_eq!(*inner.downcast::<u16>().unwrap(), 413);

        struct Juju;
        assert!(payload(kind, || panic_any(Juju)).is::<Juju>());
        assert!(payload(kind, || resume_unwind(Box::new(Juju))).is::<Juju>());
    });
}

#[test]
fn a_value_of_any_size_comes_back() {
    everywhere(|kind| {
        kind.spawn(|| ()).join().unwrap();
        assert_eq!(kind.spawn(|| [3_u64; 512]).join().unwrap(), [3; 512]);
        #[repr(align(128))]
        #[derive(Debug, PartialEq)]
        struct Aligned(u8);
        let held = Aligned(4);
        let value = kind.spawn(move || {
            let address = (&raw const held).addr();
            (held, address)
        });
        let (value, address) = value.join().unwrap();
        assert_eq!((value, address % 128), (Aligned(4), 0));
    });
}

#[test]
fn each_has_an_id_of_its_own() {
    everywhere(|kind| {
        assert_eq!(greenhub::current().id(), greenhub::current().id());
        let other = kind.spawn(|| greenhub::current().id());
        let known = other.greenlet().id();
        let told = other.join().unwrap();
        assert_eq!(told, known);
        assert_ne!(told, greenhub::current().id());
        assert_eq!(format!("{told}"), told.as_u64().to_string());
        assert!(format!("{told:?}").contains("GreenletId("));
    });
}

#[test]
fn is_finished_tells_the_end() {
    everywhere(|kind| {
        let go = Arc::new(AtomicBool::new(false));
        let handle = kind.spawn({
            let go = Arc::clone(&go);
            move || {
                while !go.load(Ordering::Relaxed) {
                    greenhub::yield_now();
                }
            }
        });
        assert!(!handle.is_finished());
        go.store(true, Ordering::Relaxed);
        common::eventually("it ends", || handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn a_permit_that_was_left_before_is_taken_by_park() {
    everywhere(|_| {
        for _ in 0..10 {
            greenhub::current().unpark();
            greenhub::park();
        }
        for _ in 0..10 {
            greenhub::current().unpark();
            greenhub::park_timeout(Duration::from_secs(u64::MAX));
        }
    });
}

#[test]
fn park_timeout_returns_when_another_unparks() {
    everywhere(|kind| {
        for _ in 0..10 {
            let this = greenhub::current();
            let other = kind.spawn(move || {
                greenhub::sleep(Duration::from_micros(50));
                this.unpark();
            });
            greenhub::park_timeout(Duration::from_secs(u64::MAX));
            other.join().unwrap();
        }
    });
}

#[test]
fn a_flag_and_park_make_a_wait() {
    // The example of std's documentation of `park`.
    everywhere(|kind| {
        let flag = Arc::new(AtomicBool::new(false));
        let parked = kind.spawn({
            let flag = Arc::clone(&flag);
            move || {
                while !flag.load(Ordering::Relaxed) {
                    greenhub::park();
                }
            }
        });
        greenhub::sleep(Duration::from_micros(100));
        flag.store(true, Ordering::Relaxed);
        parked.greenlet().unpark();
        parked.join().unwrap();
    });
}

#[test]
fn sleeps_are_never_short() {
    everywhere(|_| {
        for micros in [0, 1, 10, 1_000, 2_500] {
            let (began, nap) = (Instant::now(), Duration::from_micros(micros));
            greenhub::sleep(nap);
            assert!(began.elapsed() >= nap);
            let deadline = Instant::now() + nap;
            greenhub::sleep_until(deadline);
            assert!(Instant::now() >= deadline);
        }
        let past = Instant::now();
        greenhub::sleep_until(past);
        greenhub::sleep_until(past - Duration::from_millis(1).min(past.elapsed()));
    });
}

#[test]
fn scoped_ones_borrow_share_and_change() {
    everywhere(|_| {
        let (mut list, shared, mut word) = (vec![1, 2, 3], AtomicUsize::new(0), String::from("a"));
        let total = greenhub::scope(|s| {
            let sum = s.spawn(|| list.iter().sum::<i32>());
            for _ in 0..5 {
                s.spawn(|| shared.fetch_add(list.len(), Ordering::Relaxed));
            }
            s.spawn(|| word.push('b'));
            sum.join().unwrap()
        });
        list.push(total);
        assert_eq!(
            (list, shared.into_inner(), &*word),
            (vec![1, 2, 3, 6], 15, "ab")
        );
    });
}

#[test]
fn a_scope_joins_all_even_if_its_closure_panics() {
    everywhere(|_| {
        let ended = AtomicBool::new(false);
        let message = panic_of(|| {
            greenhub::scope(|s| {
                s.spawn(|| {
                    greenhub::sleep(Duration::from_millis(1));
                    ended.store(true, Ordering::Relaxed);
                });
                panic!("the closure's own");
            })
        });
        assert_eq!(message, "the closure's own");
        assert!(ended.load(Ordering::Relaxed));
    });
}

#[test]
fn a_scoped_joins_lifetimes_allow_what_stds_do() {
    // A handle may outlive the borrow of its scope in an inner one, and its value may borrow from outside.
    everywhere(|_| {
        let text = String::from("outside");
        let part: &str = greenhub::scope(|s| {
            let handle = s.spawn(|| &text[..3]);
            s.spawn(move || handle.join().unwrap()).join().unwrap()
        });
        assert_eq!(part, "out");
    });
}

#[test]
fn a_scoped_value_is_gone_before_the_scope_ends() {
    everywhere(|_| {
        let state = AtomicU32::new(0);
        struct Marks<'a>(&'a AtomicU32);
        impl Drop for Marks<'_> {
            fn drop(&mut self) {
                greenhub::sleep(Duration::from_micros(200));
                self.0.store(1, Ordering::Relaxed);
            }
        }
        greenhub::scope(|s| drop(s.spawn(|| Marks(&state))));
        assert_eq!(state.into_inner(), 1);
    });
}

/// Tells when it is dropped.
#[derive(Clone)]
struct Signals(Sender<()>);

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_local_begins_afresh_in_each() {
    greenhub::greenlet_local! { static NUMBER: Cell<i32> = Cell::new(square()) }
    fn square() -> i32 {
        3 * 3
    }
    everywhere(|kind| {
        NUMBER.with(|number| {
            assert_eq!(number.get(), 9);
            number.set(1);
        });
        kind.spawn(|| NUMBER.with(|number| assert_eq!(number.get(), 9)))
            .join()
            .unwrap();
        NUMBER.with(|number| assert_eq!(number.get(), 1));
        NUMBER.set(9);
    });
}

#[test]
fn a_local_is_dropped_at_the_end() {
    greenhub::greenlet_local! {
        static HELD: UnsafeCell<Option<Signals>> = const { UnsafeCell::new(None) };
    }
    everywhere(|kind| {
        let (sender, receiver) = mpsc::channel();
        let signals = Signals(sender);
        drop(kind.spawn(move || {
            // SAFETY: nobody else looks at this greenlet's own value now.
            HELD.with(|held| unsafe { *held.get() = Some(signals) });
        }));
        receive(&receiver);
    });
}

#[test]
fn locals_that_use_each_other_when_dropped_come_to_an_end() {
    greenhub::greenlet_local! {
        static FIRST: RefCell<Option<First>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Second>> = const { RefCell::new(None) };
    }
    struct First(Signals);
    struct Second(Signals);
    impl Drop for First {
        fn drop(&mut self) {
            let again = Second(self.0.clone());
            let _ = SECOND.try_with(|second| {
                let mut second = second.borrow_mut();
                if second.is_none() {
                    *second = Some(again);
                } else {
                    drop(second);
                    std::mem::forget(again);
                }
            });
        }
    }
    impl Drop for Second {
        fn drop(&mut self) {
            let _ = FIRST.try_with(|first| first.borrow().is_some());
            let _ = &self.0;
        }
    }
    both_kinds(|kind| {
        let (sender, receiver) = mpsc::channel();
        let signals = Signals(sender);
        drop(kind.spawn(move || FIRST.set(Some(First(signals)))));
        receive(&receiver);
    });
}

#[test]
fn handles_can_be_sent_and_shared() {
    fn both<T: Send + Sync>() {}
    both::<greenhub::Greenlet>();
    both::<greenhub::JoinHandle<()>>();
    both::<greenhub::JoinHandle<Cell<u8>>>();
    both::<greenhub::ScopedJoinHandle<'_, ()>>();
    both::<greenhub::runtime::Runtime>();
    both::<greenhub::runtime::Handle>();
    both::<greenhub::GreenletId>();
    both::<greenhub::LocalKey<Cell<u8>>>();
}
