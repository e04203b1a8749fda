//! tokio's multi-thread runtime.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, JoinHandle};

use super::Running;
use crate::scenario::Sample;
use crate::stackless::{self, Stackless};

struct Tokio(Runtime);

pub(super) fn start(workers: usize) -> Box<dyn Running> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    Box::new(Tokio(runtime.expect("tokio starts")))
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

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    async fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.await.expect("the task ends by returning")
    }

    async fn yield_now() {
        task::yield_now().await;
    }
}
