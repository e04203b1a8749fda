//! The scenarios about locks and channels.

use std::sync::Arc;
use std::time::Duration;

use super::{Stackful, timed};
use crate::scenario::{Apart, SENDERS, SHARE, WIDTH, WIDTH_CAPACITY, WIDTH_SHARE};

/// A lock and channels, as the users of a runtime would choose them. Always inlined, as [`Stackful`]'s functions are.
pub(crate) trait Tools: 'static {
    /// A counter behind a lock.
    type Counter: Default + Send + Sync + 'static;
    type Sender: Clone + Send + 'static;
    type Receiver: Send + 'static;

    /// Locks, adds one, unlocks; what the counter was before.
    fn count(counter: &Self::Counter) -> u64;
    /// A channel that holds so many messages, or any number.
    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, message: u64);
    fn recv(receiver: &Self::Receiver) -> u64;
    /// Receives so many messages, each from whichever channel has one, and sums them. None of the channels ends meanwhile.
    fn select(receivers: [Self::Receiver; WIDTH], messages: u64) -> u64;
}

pub(super) fn count<R: Stackful>(tasks: u64, rounds: u64) -> Duration {
    let counter = Arc::new(<R::Tools as Tools>::Counter::default());
    let elapsed = timed(1, || {
        super::spawn_many::<R, _>(tasks, {
            let counter = Arc::clone(&counter);
            move || {
                for _ in 0..rounds {
                    R::Tools::count(&counter);
                }
            }
        });
    });
    assert_eq!(R::Tools::count(&counter), tasks * rounds);
    elapsed
}

pub(super) fn echo<R: Stackful>(apart: Apart, trips: u64) -> Duration {
    let (to_partner, incoming) = R::Tools::channel(None);
    let (answers, echoes) = R::Tools::channel(None);
    let partner = move || {
        for _ in 0..trips {
            R::Tools::send(&answers, R::Tools::recv(&incoming));
        }
    };
    let partner = match apart {
        Apart::No => R::spawn(partner),
        Apart::Yes => R::spawn_apart(partner),
    };
    let mut trip = 0;
    let elapsed = timed(trips, || {
        R::Tools::send(&to_partner, trip);
        assert_eq!(R::Tools::recv(&echoes), trip);
        trip += 1;
    });
    R::join(partner);
    elapsed
}

pub(super) fn messages<R: Stackful>(capacity: Option<usize>) {
    let (sender, receiver) = R::Tools::channel(capacity);
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| R::spawn(send_all::<R>(sender.clone(), SHARE)))
        .collect();
    let sum: u64 = (0..SENDERS * SHARE)
        .map(|_| R::Tools::recv(&receiver))
        .sum();
    senders.into_iter().for_each(R::join);
    assert_eq!(sum, SENDERS * (SHARE * (SHARE - 1) / 2));
}

pub(super) fn select<R: Stackful>() {
    let channels: [_; WIDTH] = std::array::from_fn(|_| R::Tools::channel(Some(WIDTH_CAPACITY)));
    let mut handles = Vec::with_capacity(WIDTH);
    let mut kept = Vec::with_capacity(WIDTH);
    let receivers = channels.map(|(sender, receiver)| {
        handles.push(R::spawn(send_all::<R>(sender.clone(), WIDTH_SHARE)));
        kept.push(sender);
        receiver
    });
    let sum = R::Tools::select(receivers, WIDTH as u64 * WIDTH_SHARE);
    handles.into_iter().for_each(R::join);
    assert_eq!(sum, WIDTH as u64 * (WIDTH_SHARE * (WIDTH_SHARE - 1) / 2));
}

/// What a sender does.
fn send_all<R: Stackful>(
    sender: <R::Tools as Tools>::Sender,
    messages: u64,
) -> impl FnOnce() + Send + 'static {
    move || (0..messages).for_each(|message| R::Tools::send(&sender, message))
}
