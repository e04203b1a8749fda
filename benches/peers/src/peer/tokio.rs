//! tokio's multi-thread runtime.

use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::{self, JoinHandle};

use super::Running;
use crate::scenario::Sample;
use crate::stackless::sharing::Tools;
use crate::stackless::{self, Stackless};

struct Tokio(Runtime);

pub(super) fn start(workers: usize) -> Box<dyn Running> {
    Box::new(Tokio(runtime(workers)))
}

fn runtime(workers: usize) -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    runtime.expect("tokio starts")
}

impl Running for Tokio {
    fn take(&self, sample: Sample) -> Duration {
        // In a task of its own: the future given to `block_on` is polled by the caller's thread, not by a worker.
        let body = self.0.spawn(stackless::take::<Tokio>(sample));
        self.0.block_on(Tokio::join(body))
    }
}

impl Stackless for Tokio {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Tools = Tokio;

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    fn spawn_apart<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        static OTHER: OnceLock<Runtime> = OnceLock::new();
        OTHER.get_or_init(|| runtime(1)).spawn(future)
    }

    async fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.await.expect("the task ends by returning")
    }

    async fn yield_now() {
        task::yield_now().await;
    }
}

/// tokio has a type for each kind of sender.
#[derive(Clone)]
pub(super) enum TokioSender {
    Bounded(Sender<u64>),
    Unbounded(UnboundedSender<u64>),
}

/// And for each kind of receiver.
pub(super) enum TokioReceiver {
    Bounded(Receiver<u64>),
    Unbounded(UnboundedReceiver<u64>),
}

impl Tools for Tokio {
    type Counter = Mutex<u64>;
    type Sender = TokioSender;
    type Receiver = TokioReceiver;

    async fn count(counter: &Mutex<u64>) -> u64 {
        let mut counter = counter.lock().await;
        *counter += 1;
        *counter - 1
    }

    fn channel(capacity: Option<usize>) -> (TokioSender, TokioReceiver) {
        match capacity {
            Some(capacity) => {
                let (sender, receiver) = mpsc::channel(capacity);
                (
                    TokioSender::Bounded(sender),
                    TokioReceiver::Bounded(receiver),
                )
            }
            None => {
                let (sender, receiver) = mpsc::unbounded_channel();
                (
                    TokioSender::Unbounded(sender),
                    TokioReceiver::Unbounded(receiver),
                )
            }
        }
    }

    async fn send(sender: &TokioSender, message: u64) {
        let sent = match sender {
            TokioSender::Bounded(sender) => sender.send(message).await,
            TokioSender::Unbounded(sender) => sender.send(message),
        };
        sent.expect("somebody receives");
    }

    async fn recv(receiver: &mut TokioReceiver) -> u64 {
        let received = match receiver {
            TokioReceiver::Bounded(receiver) => receiver.recv().await,
            TokioReceiver::Unbounded(receiver) => receiver.recv().await,
        };
        received.expect("somebody sends")
    }

    fn poll_recv(receiver: &mut TokioReceiver, context: &mut Context<'_>) -> Poll<u64> {
        let received = match receiver {
            TokioReceiver::Bounded(receiver) => receiver.poll_recv(context),
            TokioReceiver::Unbounded(receiver) => receiver.poll_recv(context),
        };
        received.map(|message| message.expect("somebody sends"))
    }
}
