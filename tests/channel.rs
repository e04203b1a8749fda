//! Channels, on greenlets of both kinds and on OS threads.

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Kind, Tally, Watchdog, everywhere, until_parked};
use greenhub::channel::{
    self, Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError, after, bounded, never, select, select_biased, tick, unbounded,
};

/// Runs `f` in a greenlet of this kind or, for `None`, on an OS thread.
fn start<T: Send + 'static>(
    kind: Option<Kind>,
    f: impl FnOnce() -> T + Send + 'static,
) -> Box<dyn FnOnce() -> T> {
    match kind {
        Some(kind) => {
            let handle = kind.spawn(f);
            Box::new(move || handle.join().unwrap())
        }
        None => {
            let handle = std::thread::spawn(f);
            Box::new(move || {
                // The hub must not be blocked: whom the thread waits for may be on it.
                common::eventually("the thread ends", || handle.is_finished());
                handle
                    .join()
                    .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            })
        }
    }
}

/// For greenlets, for threads, and for a thread that meets greenlets.
fn for_all(scenario: fn(Option<Kind>, Option<Kind>)) {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        let runtime = common::runtime(hubs);
        for kind in Kind::BOTH {
            runtime.run(|| scenario(Some(kind), Some(kind)));
            runtime.run(|| scenario(Some(kind), None));
            runtime.run(|| scenario(None, Some(kind)));
        }
    }
    scenario(None, None);
}

/// Fails to make a message, silently.
fn no_message() -> i32 {
    std::panic::resume_unwind(Box::new("no message"))
}

fn flavors<T>() -> [(Sender<T>, Receiver<T>); 5] {
    [bounded(0), bounded(1), bounded(3), bounded(64), unbounded()]
}

#[test]
fn each_message_arrives_once_and_those_of_one_sender_in_order() {
    const SENDERS: u64 = 4;
    const EACH: u64 = if cfg!(debug_assertions) { 100 } else { 1000 };
    for_all(|sending, receiving| {
        for (sender, receiver) in flavors() {
            let senders: Vec<_> = (0..SENDERS)
                .map(|who| {
                    let sender = sender.clone();
                    start(sending, move || {
                        (0..EACH).for_each(|i| sender.send((who, i)).unwrap());
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    start(receiving, move || {
                        let received: Vec<_> = receiver.iter().collect();
                        for who in 0..SENDERS {
                            let of_one: Vec<_> =
                                received.iter().filter(|one| one.0 == who).collect();
                            assert!(of_one.is_sorted());
                        }
                        received
                    })
                })
                .collect();
            drop(receiver);
            senders.into_iter().for_each(|end| end());
            let all: Vec<_> = receivers.into_iter().flat_map(|end| end()).collect();
            assert_eq!(all.len() as u64, SENDERS * EACH);
            assert_eq!(
                all.into_iter().collect::<HashSet<_>>().len() as u64,
                SENDERS * EACH
            );
        }
    });
}

#[test]
fn a_channel_without_capacity_hands_over() {
    for_all(|sending, _| {
        let (sender, receiver) = bounded(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert!(sender.is_full() && receiver.is_empty());
        let late = receiver.clone();
        let end = start(sending, move || late.recv());
        sender.send(2).unwrap();
        assert_eq!(end(), Ok(2));
        assert_eq!(
            sender.send_timeout(3, Duration::from_millis(1)),
            Err(SendTimeoutError::Timeout(3))
        );
        assert_eq!(
            receiver.recv_timeout(Duration::from_millis(1)),
            Err(RecvTimeoutError::Timeout)
        );
    });
}

#[test]
fn a_full_channel_makes_senders_wait_and_an_empty_one_receivers() {
    everywhere(|kind| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!((sender.len(), sender.capacity()), (2, Some(2)));
        assert!(sender.is_full());
        let waiting = sender.clone();
        let waiting = kind.spawn(move || waiting.send(3));
        until_parked(waiting.greenlet());
        assert_eq!(receiver.recv(), Ok(1));
        waiting.join().unwrap().unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
        let waiting = kind.spawn(move || receiver.recv());
        until_parked(waiting.greenlet());
        sender.send(4).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(4));
    });
}

#[test]
fn receivers_take_what_is_there_and_learn_that_the_senders_are_gone() {
    for_all(|sending, receiving| {
        for (sender, receiver) in [bounded(4), unbounded()] {
            sender.send(1).unwrap();
            let waiting = receiver.clone();
            let end = start(receiving, move || waiting.iter().count());
            start(sending, move || drop(sender))();
            let mine = receiver.iter().count();
            assert_eq!(mine + end(), 1);
            assert_eq!(receiver.recv(), Err(RecvError));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
            assert_eq!(
                receiver.recv_timeout(Duration::from_secs(60)),
                Err(RecvTimeoutError::Disconnected)
            );
        }
        let (sender, receiver) = bounded::<u8>(0);
        let end = start(receiving, move || receiver.recv());
        drop(sender);
        assert_eq!(end(), Err(RecvError));
    });
}

#[test]
fn senders_get_their_message_back_when_the_receivers_are_gone() {
    for_all(|sending, _| {
        for (sender, receiver) in [bounded(0), bounded(1)] {
            let _filled = sender.try_send(0);
            let waiting = sender.clone();
            let end = start(sending, move || waiting.send(1));
            drop(receiver);
            assert_eq!(end(), Err(SendError(1)));
            assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
            assert_eq!(
                sender.send_timeout(3, Duration::from_secs(60)),
                Err(SendTimeoutError::Disconnected(3))
            );
        }
    });
}

/// The last receiver's drop races with sends (RUSTSEC-2025-0024): whatever was sent is dropped, once.
#[test]
fn what_nobody_receives_is_dropped_once() {
    for_all(|sending, _| {
        for round in 0..50 {
            for (sender, receiver) in flavors() {
                let tally = Tally::new();
                let made = 20;
                let ends: Vec<_> = (0..2)
                    .map(|_| {
                        let (sender, tally) = (sender.clone(), tally.clone());
                        start(sending, move || {
                            for _ in 0..made / 2 {
                                let _ = sender.send((tally.on_drop(), Box::new(7)));
                            }
                        })
                    })
                    .collect();
                for _ in 0..round % 5 {
                    let _one = receiver.recv();
                }
                drop(receiver);
                ends.into_iter().for_each(|end| end());
                drop(sender);
                assert_eq!(tally.get(), made);
            }
        }
    });
}

/// A message that holds a sender of its own channel keeps nothing alive.
#[test]
fn a_channel_in_a_message_of_its_own_is_freed() {
    struct Knot(
        #[expect(dead_code, reason = "held")] Sender<Knot>,
        #[expect(dead_code, reason = "held")] common::CountsDrop,
    );
    let tally = Tally::new();
    for (sender, receiver) in [bounded(4), unbounded()] {
        sender.send(Knot(sender.clone(), tally.on_drop())).unwrap();
        drop(receiver);
        let _too_late = sender.send(Knot(sender.clone(), tally.on_drop()));
    }
    assert_eq!(tally.get(), 4);
}

#[test]
fn the_clock_sends() {
    for_all(|_, _| {
        let began = Instant::now();
        let once = after(Duration::from_millis(5));
        let shared = once.clone();
        assert!(once.same_channel(&shared));
        assert!(once.recv().unwrap() >= began + Duration::from_millis(5));
        assert_eq!(
            shared.try_recv(),
            Err(TryRecvError::Empty),
            "there is one message"
        );
        let ticks = tick(Duration::from_millis(2));
        let times: Vec<_> = ticks.iter().take(3).collect();
        assert!(times.is_sorted() && Instant::now() >= began + Duration::from_millis(11));
        assert_eq!(
            never::<u8>().recv_timeout(Duration::from_millis(1)),
            Err(RecvTimeoutError::Timeout)
        );
        assert!(channel::at(began).recv().is_ok());
    });
}

#[test]
fn a_select_takes_what_comes() {
    for_all(|sending, _| {
        let (numbers, receive_number) = unbounded();
        let (words, receive_word) = bounded(0);
        let end = start(sending, move || {
            for i in 0..50 {
                numbers.send(i).unwrap();
                words.send(i.to_string()).unwrap();
            }
        });
        let (mut sum, mut length, mut open) = (0, 0, 2);
        let (mut receive_number, mut receive_word) = (receive_number, receive_word);
        while open > 0 {
            select! {
                recv(receive_number) -> number => match number {
                    Ok(number) => sum += number,
                    Err(RecvError) => {
                        // A case that is over is left out.
                        receive_number = never();
                        open -= 1;
                    }
                },
                recv(receive_word) -> word => {
                    let Ok(word) = word else {
                        receive_word = never();
                        open -= 1;
                        continue;
                    };
                    length += word.len();
                }
            }
        }
        end();
        assert_eq!((sum, length), (1225, 90));
    });
}

/// Several selects over the same channels, sends and receives mixed.
#[test]
fn selects_meet_each_other() {
    const EACH: usize = if cfg!(debug_assertions) { 50 } else { 500 };
    for_all(|sending, receiving| {
        for capacity in [0, 1] {
            let (one, other) = (bounded(capacity), bounded(capacity));
            let senders: Vec<_> = (0..2)
                .map(|who| {
                    let (one, other) = (one.0.clone(), other.0.clone());
                    start(sending, move || {
                        for i in 0..EACH {
                            select! {
                                send(one, who * EACH + i) -> sent => sent.unwrap(),
                                send(other, who * EACH + i) -> sent => sent.unwrap(),
                            }
                        }
                    })
                })
                .collect();
            let receivers: Vec<_> = (0..2)
                .map(|_| {
                    let (one, other) = (one.1.clone(), other.1.clone());
                    start(receiving, move || {
                        (0..EACH)
                            .map(|_| {
                                select! {
                                    recv(one) -> message => message.unwrap(),
                                    recv(other) -> message => message.unwrap(),
                                }
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            senders.into_iter().for_each(|end| end());
            let all: HashSet<_> = receivers.into_iter().flat_map(|end| end()).collect();
            assert_eq!(all.len(), 2 * EACH);
        }
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    everywhere(|_| {
        let (sender, receiver) = bounded(0);
        let chosen = select! {
            send(sender, 1) -> _ => "sent",
            recv(receiver) -> _ => "received",
            default(Duration::from_millis(5)) => "neither",
        };
        assert_eq!(chosen, "neither");
    });
}

#[test]
fn the_default_is_for_when_nothing_is_ready() {
    for_all(|_, _| {
        let (sender, receiver) = bounded::<u8>(1);
        assert!(select! { recv(receiver) -> _ => false, default => true });
        let began = Instant::now();
        let waited = select! {
            recv(receiver) -> _ => false,
            default(Duration::from_millis(3)) => true,
        };
        assert!(waited && began.elapsed() >= Duration::from_millis(3));
        assert!(select! { default => true });
        let timed_out = select! {
            recv(receiver) -> _ => false,
            recv(after(Duration::from_millis(2))) -> at => at.is_ok(),
        };
        assert!(timed_out);
        sender.send(1).unwrap();
        assert!(select! { recv(&receiver) -> message => message == Ok(1), default => false });
    });
}

#[test]
fn the_first_of_those_that_are_ready_is_chosen_if_one_is_biased_and_any_otherwise() {
    let channels: Vec<_> = (0..3).map(|_| unbounded()).collect();
    for (sender, _) in &channels {
        (0..200).for_each(|i| sender.send(i).unwrap());
    }
    let [first, second, third] = [&channels[0].1, &channels[1].1, &channels[2].1];
    for _ in 0..50 {
        select_biased! {
            recv(first) -> _ => {}
            recv(second) -> _ => panic!("the first was ready"),
            recv(third) -> _ => panic!("the first was ready"),
        }
    }
    for _ in 0..150 {
        select! {
            recv(first) -> _ => {}
            recv(second) -> _ => {}
            recv(third) -> _ => {}
        }
    }
    assert!(channels.iter().all(|(_, receiver)| receiver.len() < 200));
}

#[test]
fn a_message_is_made_only_when_its_case_is_chosen() {
    let (full, _held) = bounded(1);
    full.send(0).unwrap();
    let chosen = select! {
        send(full, no_message()) -> _ => false,
        default => true,
    };
    assert!(chosen);
}

/// A place that was claimed, and whose message is never made, holds up nobody.
#[test]
fn a_sender_that_panics_between_being_chosen_and_sending_holds_up_nobody() {
    for_all(|sending, receiving| {
        for (sender, receiver) in [bounded(0), bounded(1), bounded(2), unbounded()] {
            let waiting = receiver.clone();
            let end = start(receiving, move || waiting.recv());
            let unlucky = sender.clone();
            start(sending, move || {
                let caught = std::panic::catch_unwind(|| {
                    select! {
                        send(unlucky, no_message()) -> _ => {}
                    }
                });
                assert!(caught.is_err());
            })();
            sender.send(5).unwrap();
            assert_eq!(end(), Ok(5));
        }
    });
}

#[test]
fn operations_of_a_list_keep_their_numbers() {
    let (sender, receiver) = bounded(1);
    let (other, _kept) = unbounded::<u8>();
    let mut select = Select::new();
    assert_eq!(select.recv(&receiver), 0);
    assert_eq!(select.send(&other), 1);
    assert_eq!(select.send(&sender), 2);
    select.remove(1);
    let operation = select.select();
    assert_eq!(operation.index(), 2);
    operation.send(&sender, 1).unwrap();
    assert_eq!(select.ready(), 0);
    assert!(select.try_ready().is_ok());
    let operation = select.try_select().unwrap();
    assert_eq!(operation.recv(&receiver), Ok(1));
    let mut nothing = Select::new();
    nothing.recv(&receiver);
    assert!(nothing.select_timeout(Duration::from_millis(1)).is_err());
    assert!(nothing.ready_timeout(Duration::from_millis(1)).is_err());
}

#[test]
fn a_select_is_misused_loudly() {
    let (sender, receiver) = bounded::<u8>(1);
    let (_sender, other) = bounded::<u8>(1);
    sender.send(1).unwrap();
    let wrong = common::panic_of(|| {
        let mut select = Select::new();
        select.recv(&receiver);
        select.select().recv(&other)
    });
    assert!(wrong.contains("not this receiver's"), "{wrong}");
    assert_eq!(receiver.len(), 1, "what it had reserved is there again");
    let dropped = common::panic_of(|| {
        let mut select = Select::new();
        select.recv(&receiver);
        drop(select.select());
    });
    assert!(dropped.contains("without completing"), "{dropped}");
    let empty = common::panic_of(|| Select::new().select().index());
    assert!(empty.contains("no operation"), "{empty}");
}

/// Waiting to be ready takes nothing away from those who wait for a message.
#[test]
fn one_who_waits_for_readiness_does_not_keep_a_message_from_others() {
    everywhere(|kind| {
        let (sender, receiver) = bounded(1);
        let watched = receiver.clone();
        let watcher = kind.spawn(move || {
            let mut select = Select::new();
            select.recv(&watched);
            select.ready()
        });
        until_parked(watcher.greenlet());
        let waiting = kind.spawn(move || receiver.recv());
        until_parked(waiting.greenlet());
        sender.send(1).unwrap();
        assert_eq!(watcher.join().unwrap(), 0);
        assert_eq!(waiting.join().unwrap(), Ok(1));
    });
}

#[test]
fn borrowed_messages_and_messages_without_size_are_sent() {
    let text = String::from("borrowed");
    let (sender, receiver) = bounded::<&str>(0);
    let (units, receive_unit) = bounded(2);
    greenhub::scope(|s| {
        s.spawn(|| sender.send(&text).unwrap());
        s.spawn(|| units.send(()).unwrap());
        let mut got = Vec::new();
        for _ in 0..2 {
            select! {
                recv(receiver) -> word => got.push(word.unwrap().len()),
                recv(receive_unit) -> unit => got.push(unit.map(|()| 0).unwrap()),
            }
        }
        got.sort_unstable();
        assert_eq!(got, [0, 8]);
    });
}

#[test]
fn large_messages_are_selected() {
    let (sender, receiver) = unbounded();
    sender.send([7_u64; 100]).unwrap();
    let received = select! { recv(receiver) -> message => message.unwrap() };
    assert_eq!(received, [7; 100]);
}

/// A timeout against a send: the message is received, or still there; never lost, never doubled.
#[test]
fn ten_thousand_races_of_a_timeout_with_a_send_lose_nothing() {
    const RACES: u64 = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let _watchdog = Watchdog::new();
    let runtime = common::runtime(2);
    for kind in Kind::BOTH {
        runtime.run(|| {
            for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
                let receiver = Arc::new(receiver);
                let mut received = 0_u64;
                let sent = kind.spawn(move || {
                    for i in 0..RACES {
                        // Pace and phase change all the time.
                        for _ in 0..i % 64 {
                            std::hint::spin_loop();
                        }
                        if i % 7 == 0 {
                            greenhub::sleep(Duration::from_micros(i % 50));
                        }
                        sender.send(i).unwrap();
                    }
                });
                let mut timeouts = 0_u64;
                while received < RACES {
                    let impatience = Duration::from_micros(received % 40);
                    let result = if received % 2 == 0 {
                        greenhub::timeout(impatience, || receiver.recv().unwrap()).ok()
                    } else {
                        receiver.recv_timeout(impatience).ok()
                    };
                    match result {
                        Some(i) => {
                            assert_eq!(i, received, "a message was lost, or came twice");
                            received += 1;
                        }
                        None => timeouts += 1,
                    }
                }
                sent.join().unwrap();
                assert!(receiver.try_recv().is_err());
                assert!(timeouts > 0, "no timeout came first");
            }
        });
    }
}
