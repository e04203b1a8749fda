//! Large messages on small stacks: a message is moved once, from the frame of the one to its place, and from there to the
//! frame of the other.

mod common;

use std::hint::black_box;

use common::{in_child, stderr};
use greenhub::channel::{Receiver, Sender, bounded, select, unbounded};

/// Greenlets have 256 KiB. The old code overflowed at 24 KiB, 48 KiB, 32 KiB with `select!`; without optimisation at 6 KiB,
/// 8 KiB and 10 KiB.
const HELD: usize = if cfg!(debug_assertions) { 20 } else { 96 } << 10;
const HANDED_OVER: usize = if cfg!(debug_assertions) { 20 } else { 80 } << 10;
const SELECTED: usize = if cfg!(debug_assertions) { 20 } else { 64 } << 10;

type Message<const N: usize> = [u8; N];

fn message<const N: usize>() -> Message<N> {
    black_box([7; N])
}

#[inline(never)]
fn send<const N: usize>(sender: &Sender<Message<N>>) {
    assert!(sender.send([7; N]).is_ok());
}

#[inline(never)]
fn receive<const N: usize>(receiver: &Receiver<Message<N>>) {
    assert_eq!(receiver.recv().unwrap()[N - 1], 7);
}

#[inline(never)]
fn select_send<const N: usize>(sender: &Sender<Message<N>>) {
    select! { send(sender, message()) -> sent => assert!(sent.is_ok()) }
}

#[inline(never)]
fn select_receive<const N: usize>(receiver: &Receiver<Message<N>>) {
    select! { recv(receiver) -> message => assert_eq!(message.unwrap()[N - 1], 7) }
}

/// Both wait for each other, in turns; then a message is dropped where it lies.
fn exchange<const N: usize>(
    (sender, receiver): (Sender<Message<N>>, Receiver<Message<N>>),
    send: fn(&Sender<Message<N>>),
    receive: fn(&Receiver<Message<N>>),
) {
    let holds = sender.capacity() != Some(0);
    let last = receiver.clone();
    let sending = greenhub::spawn(move || {
        (0..40).for_each(|_| send(&sender));
        if holds {
            send(&sender);
        }
    });
    let receiving = greenhub::spawn(move || (0..40).for_each(|_| receive(&receiver)));
    sending.join().unwrap();
    receiving.join().unwrap();
    drop(last);
}

fn exchange_all() {
    for channel in [bounded(1), bounded(2), bounded(1 << 20), unbounded()] {
        exchange::<HELD>(channel, send, receive);
    }
    exchange::<HANDED_OVER>(bounded(0), send, receive);
    for channel in [bounded(0), bounded(1), unbounded()] {
        exchange::<SELECTED>(channel, select_send, select_receive);
    }
    exchange::<SELECTED>(bounded(0), send, select_receive);
    exchange::<SELECTED>(bounded(0), select_send, receive);
}

#[test]
fn large_messages_go_from_one_small_stack_to_another() {
    let output = in_child(
        "large_messages_go_from_one_small_stack_to_another",
        &[("GREENHUB_HUBS", "1")],
        exchange_all,
    );
    assert!(output.status.success(), "{}", stderr(&output));
}
