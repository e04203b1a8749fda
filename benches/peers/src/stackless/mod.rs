//! The scenarios for runtimes whose tasks are futures: tokio, and smol's executor. Those about locks and channels are in
//! [`sharing`].

pub(crate) mod sharing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use sharing::Tools;

use crate::scenario::{BATCH, BRANCHES, Body, FAN_OUT, Sample, compute};

/// What the scenarios need of such a runtime.
pub(crate) trait Stackless: 'static {
    /// What is to be joined; `T` is its output.
    type Handle<T: Send + 'static>: Send + 'static;
    /// The lock and the channels that go with it.
    type Tools: Tools;

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    /// Spawns on another runtime, of one worker.
    fn spawn_apart<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> impl Future<Output = T> + Send;
    fn yield_now() -> impl Future<Output = ()> + Send;
}

/// Takes a sample, from inside a task of `R`.
pub(crate) async fn take<R: Stackless>(sample: Sample) -> Duration {
    let Sample {
        body,
        iterations,
        spin,
    } = sample;
    match body {
        Body::SpawnJoin => timed(iterations, || R::join(R::spawn(async {}))).await,
        Body::SpawnMany => timed(iterations, || spawn_many::<R, _>(BATCH, || async {})).await,
        Body::Yield { tasks } => yields::<R>(tasks, iterations).await,
        Body::PingPong => ping_pong::<R>(iterations).await,
        Body::FanOut => {
            let task = move || async move { compute(spin) };
            timed(iterations, || spawn_many::<R, _>(FAN_OUT, task)).await
        }
        Body::Skynet { leaves } => {
            timed(iterations, || async {
                assert_eq!(skynet::<R>(0, leaves).await, leaves * (leaves - 1) / 2);
            })
            .await
        }
        Body::Count { tasks } => sharing::count::<R>(tasks, iterations).await,
        Body::Echo { apart } => sharing::echo::<R>(apart, iterations).await,
        Body::Messages { capacity } => timed(iterations, || sharing::messages::<R>(capacity)).await,
        Body::Select => timed(iterations, sharing::select::<R>).await,
    }
}

async fn timed<F: Future<Output = ()>>(
    iterations: u64,
    mut iteration: impl FnMut() -> F,
) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        iteration().await;
    }
    start.elapsed()
}

async fn spawn_many<R: Stackless, F>(tasks: u64, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let handles: Vec<_> = (0..tasks).map(|_| R::spawn(task())).collect();
    for handle in handles {
        R::join(handle).await;
    }
}

async fn yields<R: Stackless>(tasks: u64, rounds: u64) -> Duration {
    let task = move || async move {
        for _ in 0..rounds {
            R::yield_now().await;
        }
    };
    timed(1, || spawn_many::<R, _>(tasks, task)).await
}

/// `Notify`, which needs no particular runtime, is what futures have of park and unpark: `notify_one` leaves a token,
/// `notified` takes it or waits for it.
async fn ping_pong<R: Stackless>(trips: u64) -> Duration {
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let partner = R::spawn({
        let (ping, pong) = (Arc::clone(&ping), Arc::clone(&pong));
        async move {
            for _ in 0..trips {
                pong.notified().await;
                ping.notify_one();
            }
        }
    });
    let elapsed = timed(trips, || async {
        pong.notify_one();
        ping.notified().await;
    })
    .await;
    R::join(partner).await;
    elapsed
}

/// The sum of the leaves' numbers, `first` the lowest: each child is a task, and a leaf returns its number.
async fn skynet<R: Stackless>(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let share = leaves / BRANCHES;
    let children: [_; BRANCHES as usize] =
        std::array::from_fn(|child| subtree::<R>(first + child as u64 * share, share));
    let mut sum = 0;
    for child in children {
        sum += R::join(child).await;
    }
    sum
}

/// Spawns one. Naming the handle's type here is what lets [`skynet`] call itself without a box around each future.
fn subtree<R: Stackless>(first: u64, leaves: u64) -> R::Handle<u64> {
    R::spawn(skynet::<R>(first, leaves))
}
