//! Loops that ask a channel again and again, on one hub, whose other greenlets do what is asked for. On the old code each of
//! them hangs.

mod common;

use std::time::Duration;

use common::{Kind, Watchdog, both_kinds_on, runtime};
use greenhub::channel::{Receiver, Select, Sender, after, bounded, never, select, unbounded};

fn flavors() -> [(Sender<u32>, Receiver<u32>); 4] {
    [bounded(0), bounded(1), bounded(1 << 20), unbounded()]
}

/// `poll` goes on until a greenlet of the same hub has sent.
fn until_sent(poll: fn(&Receiver<u32>) -> bool) {
    on_one_hub(move |kind| {
        for (sender, receiver) in flavors() {
            let sending = kind.spawn(move || sender.send(1));
            while !poll(&receiver) {}
            drop(receiver);
            // What a poll finds it need not receive.
            let _ = sending.join().unwrap();
        }
    });
}

/// `poll` goes on until a greenlet of the same hub has received.
fn until_received(poll: fn(&Sender<u32>) -> bool) {
    on_one_hub(move |kind| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|_| sender.send(0).unwrap());
            let receiving = kind.spawn(move || {
                let received = receiver.recv();
                greenhub::park();
                received
            });
            while !poll(&sender) {}
            receiving.greenlet().unpark();
            drop(sender);
            let _ = receiving.join().unwrap();
        }
    });
}

/// The scenario as a greenlet of either kind.
fn on_one_hub(scenario: impl Fn(Kind) + Clone + Send + 'static) {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let scenario = scenario.clone();
        runtime(1).run(move || kind.spawn(move || scenario(kind)).join().unwrap());
    }
}

#[test]
fn try_recv() {
    until_sent(|receiver| receiver.try_recv().is_ok());
}

#[test]
fn try_iter() {
    until_sent(|receiver| receiver.try_iter().count() > 0);
}

#[test]
fn recv_timeout_of_nothing() {
    until_sent(|receiver| receiver.recv_timeout(Duration::ZERO).is_ok());
}

#[test]
fn select_with_a_default() {
    until_sent(|receiver| {
        select! {
            recv(receiver) -> message => message.is_ok(),
            recv(never::<u32>()) -> _ => unreachable!("it never comes"),
            default => false,
        }
    });
}

#[test]
fn select_with_a_default_after_no_time() {
    until_sent(|receiver| {
        select! {
            recv(receiver) -> message => message.is_ok(),
            default(Duration::ZERO) => false,
        }
    });
}

#[test]
fn try_ready() {
    until_sent(|receiver| {
        let mut list = Select::new();
        list.recv(receiver);
        list.try_ready().is_ok()
    });
}

/// A channel without capacity is always empty.
#[test]
fn is_empty_and_len() {
    both_kinds_on(1, |kind| {
        for (sender, receiver) in flavors().into_iter().skip(1) {
            let other = sender.clone();
            let sending = kind.spawn(move || other.send(1));
            while receiver.is_empty() {}
            sending.join().unwrap().unwrap();
            let sending = kind.spawn(move || sender.send(1));
            while receiver.len() < 2 && receiver.capacity() != Some(1) {}
            drop(receiver);
            let _ = sending.join().unwrap();
        }
    });
}

#[test]
fn try_send() {
    until_received(|sender| sender.try_send(1).is_ok());
}

#[test]
fn is_full() {
    until_received(|sender| sender.capacity() == Some(0) || !sender.is_full());
}

/// Times that have come, or never will, are asked for as well.
#[test]
fn clocks() {
    both_kinds_on(1, |kind| {
        for times in [after(Duration::MAX), never()] {
            let other = kind.spawn(|| {});
            while times.recv_timeout(Duration::ZERO).is_err() && !ended(&other) {}
            let other = kind.spawn(|| {});
            while times.try_recv().is_err() && !ended(&other) {}
        }
    });
}

/// Without asking the greenlet itself, which gives way as well.
fn ended(handle: &greenhub::JoinHandle<()>) -> bool {
    format!("{:?}", handle.greenlet()).contains("Done")
}
