//! smol's executor, polled by threads of its own as smol's global one is, and the lock and channels that smol re-exports.

use std::future;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_executor::{Executor, Task};
use async_lock::Mutex;
use futures_lite::Stream;
use futures_lite::future::{block_on, yield_now};

use super::Running;
use crate::scenario::Sample;
use crate::stackless::sharing::Tools;
use crate::stackless::{self, Stackless};

static EXECUTOR: Executor<'static> = Executor::new();

struct Smol;

/// The threads poll the process's one executor until the process ends, as smol's do.
pub(super) fn start(workers: usize) -> Box<dyn Running> {
    for _ in 0..workers {
        thread::spawn(|| block_on(EXECUTOR.run(future::pending::<()>())));
    }
    Box::new(Smol)
}

impl Running for Smol {
    fn take(&self, sample: Sample) -> Duration {
        block_on(EXECUTOR.spawn(stackless::take::<Smol>(sample)))
    }
}

impl Stackless for Smol {
    type Handle<T: Send + 'static> = Task<T>;
    type Tools = Smol;

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn spawn_apart<F>(future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        static OTHER: Executor<'static> = Executor::new();
        static START: Once = Once::new();
        START.call_once(|| {
            drop(thread::spawn(|| {
                block_on(OTHER.run(future::pending::<()>()))
            }))
        });
        OTHER.spawn(future)
    }

    async fn join<T: Send + 'static>(handle: Task<T>) -> T {
        handle.await
    }

    async fn yield_now() {
        yield_now().await;
    }
}

impl Tools for Smol {
    type Counter = Mutex<u64>;
    type Sender = Sender<u64>;
    /// In a box, because it cannot be moved once it is polled.
    type Receiver = Pin<Box<Receiver<u64>>>;

    async fn count(counter: &Mutex<u64>) -> u64 {
        let mut counter = counter.lock().await;
        *counter += 1;
        *counter - 1
    }

    fn channel(capacity: Option<usize>) -> (Sender<u64>, Self::Receiver) {
        let (sender, receiver) = match capacity {
            Some(capacity) => async_channel::bounded(capacity),
            None => async_channel::unbounded(),
        };
        (sender, Box::pin(receiver))
    }

    async fn send(sender: &Sender<u64>, message: u64) {
        sender.send(message).await.expect("somebody receives");
    }

    async fn recv(receiver: &mut Self::Receiver) -> u64 {
        receiver.recv().await.expect("somebody sends")
    }

    fn poll_recv(receiver: &mut Self::Receiver, context: &mut Context<'_>) -> Poll<u64> {
        let received = receiver.as_mut().poll_next(context);
        received.map(|message| message.expect("somebody sends"))
    }
}
