//! The scenarios about locks and channels.

use std::future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Stackless, timed};
use crate::scenario::{Apart, SENDERS, SHARE, WIDTH, WIDTH_CAPACITY, WIDTH_SHARE};

/// A lock and channels, as the users of a runtime would choose them.
pub(crate) trait Tools: 'static {
    /// A counter behind a lock.
    type Counter: Default + Send + Sync + 'static;
    type Sender: Clone + Send + Sync + 'static;
    type Receiver: Send + Sync + 'static;

    /// Locks, adds one, unlocks; what the counter was before.
    fn count(counter: &Self::Counter) -> impl Future<Output = u64> + Send;
    /// A channel that holds so many messages, or any number.
    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, message: u64) -> impl Future<Output = ()> + Send;
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = u64> + Send;
    fn poll_recv(receiver: &mut Self::Receiver, context: &mut Context<'_>) -> Poll<u64>;
}

pub(super) async fn count<R: Stackless>(tasks: u64, rounds: u64) -> Duration {
    let counter = Arc::new(<R::Tools as Tools>::Counter::default());
    let task = || {
        let counter = Arc::clone(&counter);
        async move {
            for _ in 0..rounds {
                R::Tools::count(&counter).await;
            }
        }
    };
    let elapsed = timed(1, || super::spawn_many::<R, _>(tasks, task)).await;
    assert_eq!(R::Tools::count(&counter).await, tasks * rounds);
    elapsed
}

pub(super) async fn echo<R: Stackless>(apart: Apart, trips: u64) -> Duration {
    let (to_partner, mut incoming) = R::Tools::channel(None);
    let (answers, mut echoes) = R::Tools::channel(None);
    let partner = async move {
        for _ in 0..trips {
            let number = R::Tools::recv(&mut incoming).await;
            R::Tools::send(&answers, number).await;
        }
    };
    let partner = match apart {
        Apart::No => R::spawn(partner),
        Apart::Yes => R::spawn_apart(partner),
    };
    let start = std::time::Instant::now();
    for trip in 0..trips {
        R::Tools::send(&to_partner, trip).await;
        assert_eq!(R::Tools::recv(&mut echoes).await, trip);
    }
    let elapsed = start.elapsed();
    R::join(partner).await;
    elapsed
}

pub(super) async fn messages<R: Stackless>(capacity: Option<usize>) {
    let (sender, mut receiver) = R::Tools::channel(capacity);
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| R::spawn(send_all::<R>(sender.clone(), SHARE)))
        .collect();
    let mut sum = 0;
    for _ in 0..SENDERS * SHARE {
        sum += R::Tools::recv(&mut receiver).await;
    }
    for sender in senders {
        R::join(sender).await;
    }
    assert_eq!(sum, SENDERS * (SHARE * (SHARE - 1) / 2));
}

pub(super) async fn select<R: Stackless>() {
    let channels: [_; WIDTH] = std::array::from_fn(|_| R::Tools::channel(Some(WIDTH_CAPACITY)));
    let mut handles = Vec::with_capacity(WIDTH);
    let mut kept = Vec::with_capacity(WIDTH);
    let mut receivers = channels.map(|(sender, receiver)| {
        handles.push(R::spawn(send_all::<R>(sender.clone(), WIDTH_SHARE)));
        kept.push(sender);
        receiver
    });
    let mut sum = 0;
    for message in 0..WIDTH as u64 * WIDTH_SHARE {
        sum += recv_any::<R>(&mut receivers, message as usize).await;
    }
    for handle in handles {
        R::join(handle).await;
    }
    assert_eq!(sum, WIDTH as u64 * (WIDTH_SHARE * (WIDTH_SHARE - 1) / 2));
}

/// What the `select!` of tokio and of `futures` come to: poll one after the other, from another one each time, and take what
/// is ready first.
async fn recv_any<R: Stackless>(
    receivers: &mut [<R::Tools as Tools>::Receiver; WIDTH],
    first: usize,
) -> u64 {
    future::poll_fn(|context| {
        for place in 0..WIDTH {
            let receiver = &mut receivers[(first + place) % WIDTH];
            if let Poll::Ready(message) = R::Tools::poll_recv(receiver, context) {
                return Poll::Ready(message);
            }
        }
        Poll::Pending
    })
    .await
}

/// What a sender does.
async fn send_all<R: Stackless>(sender: <R::Tools as Tools>::Sender, messages: u64) {
    for message in 0..messages {
        R::Tools::send(&sender, message).await;
    }
}
