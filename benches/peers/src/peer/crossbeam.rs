//! crossbeam-channel's channels and parking_lot's lock, which programs of plain OS threads use.

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use parking_lot::Mutex;

use crate::scenario::WIDTH;
use crate::stackful::sharing::Tools;

pub(super) struct Crossbeam;

impl Tools for Crossbeam {
    type Counter = Mutex<u64>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    #[inline(always)]
    fn count(counter: &Mutex<u64>) -> u64 {
        let mut counter = counter.lock();
        *counter += 1;
        *counter - 1
    }

    fn channel(capacity: Option<usize>) -> (Sender<u64>, Receiver<u64>) {
        match capacity {
            Some(capacity) => bounded(capacity),
            None => unbounded(),
        }
    }

    #[inline(always)]
    fn send(sender: &Sender<u64>, message: u64) {
        sender.send(message).expect("somebody receives");
    }

    #[inline(always)]
    fn recv(receiver: &Receiver<u64>) -> u64 {
        receiver.recv().expect("somebody sends")
    }

    fn select(receivers: [Receiver<u64>; WIDTH], messages: u64) -> u64 {
        let [a, b, c, d, e, f, g, h] = &receivers;
        let next = |_| {
            select! {
                recv(a) -> message => message,
                recv(b) -> message => message,
                recv(c) -> message => message,
                recv(d) -> message => message,
                recv(e) -> message => message,
                recv(f) -> message => message,
                recv(g) -> message => message,
                recv(h) -> message => message,
            }
        };
        (0..messages)
            .map(|message| next(message).expect("a sender is kept"))
            .sum()
    }
}
