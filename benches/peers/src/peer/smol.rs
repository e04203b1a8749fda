//! smol's executor, polled by threads of its own as smol's global one is.

use std::future;
use std::thread;
use std::time::Duration;

use async_executor::{Executor, Task};
use futures_lite::future::{block_on, yield_now};

use super::Running;
use crate::scenario::Sample;
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

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    async fn join<T: Send + 'static>(handle: Task<T>) -> T {
        handle.await
    }

    async fn yield_now() {
        yield_now().await;
    }
}
