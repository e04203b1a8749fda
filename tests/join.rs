//! Waiting for a greenlet's end: `join`, `join_timeout`, the handle as a future, `join_all`, `as_completed`.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use common::{
    Gate, LIMIT, Tally, Watchdog, both_kinds, eventually, everywhere, panic_of, settled_everywhere,
    until_parked_in,
};
use greenhub::{JoinError, JoinHandle};

/// Counts how often it is woken, and unparks the thread that made it.
struct Alarm {
    woken: Tally,
    thread: Thread,
}

impl Alarm {
    fn new() -> Arc<Alarm> {
        Arc::new(Alarm {
            woken: Tally::new(),
            thread: std::thread::current(),
        })
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.woken.add();
        self.thread.unpark();
    }
}

fn poll<T>(handle: &mut JoinHandle<T>, alarm: &Arc<Alarm>) -> Poll<Result<T, JoinError>> {
    let waker = Waker::from(Arc::clone(alarm));
    Pin::new(handle).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_handle_that_was_polled_may_be_joined() {
    let _watchdog = Watchdog::new();
    for round in 0..20_000 {
        // The end races with the join, which must not touch the waker that is being woken.
        let mut handle = greenhub::spawn(|| Box::new(5));
        let alarm = Alarm::new();
        let value = match poll(&mut handle, &alarm) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending if round % 2 == 0 => handle.join().unwrap(),
            Poll::Pending => handle.join_timeout(LIMIT).unwrap().unwrap(),
        };
        assert_eq!(*value, 5);
    }
}

#[test]
fn a_handle_is_a_future_on_any_executor() {
    let _watchdog = Watchdog::new();
    let gate = Gate::new();
    let mut handle = greenhub::spawn({
        let gate = gate.clone();
        move || {
            gate.pass();
            5
        }
    });
    let alarm = Alarm::new();
    assert!(poll(&mut handle, &alarm).is_pending());
    gate.open();
    loop {
        if let Poll::Ready(result) = poll(&mut handle, &alarm) {
            break assert_eq!(result.unwrap(), 5);
        }
        std::thread::park();
    }
    assert!(panic_of(|| poll(&mut handle, &alarm)).contains("taken already"));
}

#[test]
fn only_the_last_waker_is_woken() {
    both_kinds(|kind| {
        let gate = Gate::new();
        let mut handle = kind.spawn({
            let gate = gate.clone();
            move || gate.pass()
        });
        let (first, second) = (Alarm::new(), Alarm::new());
        assert!(poll(&mut handle, &first).is_pending());
        assert!(poll(&mut handle, &second).is_pending());
        gate.open();
        eventually("the second waker is woken", || second.woken.get() == 1);
        assert_eq!(first.woken.get(), 0);
        assert!(poll(&mut handle, &first).is_ready());
    });
}

#[test]
fn a_value_can_be_joined_before_and_after_its_end() {
    everywhere(|kind| {
        let gate = Gate::new();
        let late = kind.spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                vec![1, 2, 3]
            }
        });
        assert!(!late.is_finished());
        let joiner = kind.spawn(move || late.join().unwrap());
        until_parked_in(joiner.greenlet(), "join");
        gate.open();
        assert_eq!(joiner.join().unwrap(), [1, 2, 3]);

        let early = kind.spawn(|| "early");
        eventually("it ends", || early.is_finished());
        assert_eq!(early.join().unwrap(), "early");
    });
}

#[test]
fn join_timeout_gives_the_handle_back_or_the_value() {
    everywhere(|kind| {
        let gate = Gate::new();
        let handle = kind.spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                5
            }
        });
        let began = Instant::now();
        let handle = handle.join_timeout(Duration::from_millis(2)).unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(2));
        let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
        gate.open();
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 5);
    });
}

#[test]
fn a_greenlet_that_joins_itself_panics() {
    everywhere(|kind| {
        let (send, receive) = std::sync::mpsc::channel::<JoinHandle<()>>();
        let (gate, told) = (Gate::new(), Arc::new(std::sync::Mutex::new(String::new())));
        let handle = kind.spawn({
            let (gate, told) = (gate.clone(), Arc::clone(&told));
            move || {
                gate.pass();
                let own = receive
                    .try_recv()
                    .expect("it was sent before the gate was opened");
                *told.lock().unwrap() = panic_of(|| own.join());
            }
        });
        let greenlet = handle.greenlet().clone();
        send.send(handle).unwrap();
        gate.open();
        eventually("it ends", || format!("{greenlet:?}").contains("Done"));
        assert!(told.lock().unwrap().contains("joined itself"));
    });
}

#[test]
fn join_all_keeps_the_order() {
    everywhere(|kind| {
        let handles = (0..50_u64).map(|i| {
            kind.spawn(move || {
                greenhub::sleep(Duration::from_micros(50 * (i % 7)));
                assert_ne!(i, 13, "on purpose");
                i
            })
        });
        for (i, result) in (0..).zip(greenhub::join_all(handles)) {
            match result {
                Ok(value) => assert_eq!(value, i),
                Err(error) => assert!(i == 13 && error.is_panic()),
            }
        }
    });
}

#[test]
fn as_completed_yields_in_the_order_of_the_ends() {
    everywhere(|kind| {
        let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
        let handles: Vec<_> = gates
            .iter()
            .cloned()
            .enumerate()
            .map(|(i, gate)| {
                kind.spawn(move || {
                    gate.pass();
                    i
                })
            })
            .collect();
        let mut completed = greenhub::as_completed(handles);
        for i in [3, 0, 4, 2, 1] {
            gates[i].open();
            assert_eq!(completed.next().unwrap().unwrap(), i);
        }
        assert!(completed.next().is_none() && completed.next().is_none());
    });
}

#[test]
fn as_completed_that_is_dropped_midway_detaches_the_rest() {
    everywhere(|kind| {
        let (gate, ended) = (Gate::new(), Tally::new());
        let body = |waits: bool| {
            let (gate, ended) = (gate.clone(), ended.clone());
            move || {
                if waits {
                    gate.pass();
                }
                ended.add();
            }
        };
        let mut completed =
            greenhub::as_completed([kind.spawn(body(true)), kind.spawn(body(false))]);
        assert_eq!(completed.len(), 2);
        completed.next().unwrap().unwrap();
        drop(completed);
        gate.open();
        eventually("the other runs on", || ended.get() == 2);
    });
}

#[test]
fn as_completed_works_on_an_os_thread() {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        let runtime = common::runtime(hubs);
        let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
        let handles: Vec<_> = (0..)
            .zip(gates.iter().cloned())
            .map(|(i, gate)| {
                runtime.spawn(move || {
                    gate.pass();
                    assert_ne!(i, 2, "on purpose");
                    i
                })
            })
            .collect();
        let mut completed = greenhub::as_completed(handles);
        for i in [1, 3, 2, 0] {
            gates[i].open();
            let result = completed.next().unwrap();
            match result {
                Ok(value) => assert_eq!(value, i),
                Err(error) => assert!(i == 2 && error.is_panic()),
            }
        }
        assert!(completed.next().is_none());
    }
}

#[test]
fn as_completed_yields_those_that_ended_before_and_those_that_are_killed() {
    everywhere(|kind| {
        let ended = kind.spawn(|| 1);
        eventually("it ends", || ended.is_finished());
        let parked = kind.spawn(|| {
            greenhub::park();
            2
        });
        let victim = parked.greenlet().clone();
        let mut completed = greenhub::as_completed([parked, ended]);
        assert_eq!(completed.next().unwrap().unwrap(), 1);
        victim.kill();
        assert!(completed.next().unwrap().unwrap_err().is_killed());
        assert_eq!(completed.size_hint(), (0, Some(0)));
    });
}

#[test]
fn nothing_is_waited_for_in_vain() {
    everywhere(|_| {
        let none: [JoinHandle<()>; 0] = [];
        assert!(greenhub::join_all(none).is_empty());
        let none: [JoinHandle<()>; 0] = [];
        assert!(greenhub::as_completed(none).next().is_none());
    });
}

#[test]
fn join_all_lets_its_iterator_wait() {
    everywhere(|kind| {
        let handles = (0..5).map(|i| {
            greenhub::yield_now();
            kind.spawn(move || i)
        });
        let values: Result<Vec<_>, _> = greenhub::join_all(handles).into_iter().collect();
        assert_eq!(values.unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_handle_that_is_dropped_lets_the_greenlet_run_on() {
    everywhere(|kind| {
        let (gate, values) = (Gate::new(), Tally::new());
        let counted = values.on_drop();
        drop(kind.spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                counted
            }
        }));
        assert_eq!(values.get(), 0);
        gate.open();
        eventually("its value is dropped", || values.get() == 1);
    });
}

#[test]
fn a_handle_that_is_dropped_late_drops_the_value() {
    everywhere(|kind| {
        let values = Tally::new();
        let counted = values.on_drop();
        let ended = kind.spawn(move || counted);
        eventually("it ends", || ended.is_finished());
        assert_eq!(values.get(), 0);
        drop(ended);
        assert_eq!(values.get(), 1);
    });
}

#[test]
fn a_local_handle_does_what_any_handle_does() {
    settled_everywhere(|| {
        let gate = Gate::new();
        let local = greenhub::spawn_local({
            let gate = gate.clone();
            move || {
                gate.pass();
                std::rc::Rc::new(5)
            }
        });
        assert!(!local.is_finished() && format!("{local:?}").contains("LocalJoinHandle"));
        let mut local = local.join_timeout(Duration::from_micros(50)).unwrap_err();
        let alarm = Alarm::new();
        let waker = Waker::from(Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut local).poll(&mut context).is_pending());
        gate.open();
        eventually("the waker is woken", || alarm.woken.get() == 1);
        assert!(local.is_finished());
        assert_eq!(*local.join().unwrap(), 5);
    });
}

#[test]
fn a_waker_that_panics_harms_neither_hub_nor_value() {
    struct Bomb(Tally);
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            self.0.add();
            panic!("a waker panics");
        }
    }
    everywhere(|kind| {
        let (gate, wakes) = (Gate::new(), Tally::new());
        let mut handle = kind.spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                5
            }
        });
        let waker = Waker::from(Arc::new(Bomb(wakes.clone())));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut handle).poll(&mut context).is_pending());
        gate.open();
        eventually("the waker is woken", || wakes.get() == 1);
        assert_eq!(handle.join().unwrap(), 5);
        assert_eq!(kind.spawn(|| 6).join().unwrap(), 6);
    });
}

#[test]
fn a_waker_whose_drop_panics_harms_neither_hub_nor_value() {
    struct Bomb(Gate);
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.open();
            panic!("a waker's destructor panics");
        }
    }
    everywhere(|kind| {
        for detached in [false, true] {
            let (gate, gone, values) = (Gate::new(), Gate::new(), Tally::new());
            let mut handle = kind.spawn({
                let (gate, value) = (gate.clone(), values.on_drop());
                move || {
                    gate.pass();
                    value
                }
            });
            let waker = Waker::from(Arc::new(Bomb(gone.clone())));
            assert!(
                Pin::new(&mut handle)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            drop(waker);
            if detached {
                assert!(panic_of(|| drop(handle)).contains("destructor"));
                gate.open();
            } else {
                gate.open();
                gone.pass();
                drop(handle.join().unwrap());
            }
            eventually("the value is dropped", || values.get() == 1);
            assert_eq!(kind.spawn(|| 6).join().unwrap(), 6);
        }
    });
}

#[test]
fn an_error_can_be_shared_sent_and_boxed() {
    fn all<T: std::error::Error + Send + Sync + 'static>(_: &T) {}
    everywhere(|kind| {
        let error = kind
            .builder()
            .name("clumsy".into())
            .spawn(|| panic!("a plate fell"))
            .unwrap()
            .join()
            .unwrap_err();
        all(&error);
        for text in [error.to_string(), format!("{error:?}")] {
            for part in ["'clumsy'", "panicked", "a plate fell", file!()] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(error.greenlet().name(), Some("clumsy"));
        let boxed: Box<dyn std::error::Error + Send + Sync> = error.into();
        let error = boxed.downcast::<JoinError>().unwrap();
        assert!(error.is_panic() && !error.is_killed());
        assert_eq!(common::text(&*error.into_panic()), "a plate fell");
    });
}

#[test]
fn an_error_without_text_says_so() {
    everywhere(|kind| {
        let failing = kind.spawn(|| std::panic::panic_any(7_u8));
        let error = failing.join().unwrap_err();
        assert!(error.to_string().contains("not text"), "{error}");
        assert_eq!(error.into_panic().downcast_ref(), Some(&7_u8));
    });
}

#[test]
fn many_join_at_once_across_hubs_and_threads() {
    let _watchdog = Watchdog::new();
    for kind in common::Kind::BOTH {
        let runtime = common::runtime(4);
        let from_threads: Vec<_> = (0..4)
            .map(|thread| {
                let handles: Vec<_> = runtime.run(|| {
                    (0..200)
                        .map(|i| {
                            kind.spawn(move || {
                                if i % 3 == 0 {
                                    greenhub::yield_now();
                                }
                                (thread, i)
                            })
                        })
                        .collect()
                });
                std::thread::spawn(move || {
                    for (i, handle) in (0..).zip(handles) {
                        assert_eq!(handle.join().unwrap(), (thread, i));
                    }
                })
            })
            .collect();
        for thread in from_threads {
            thread.join().unwrap();
        }
    }
}
