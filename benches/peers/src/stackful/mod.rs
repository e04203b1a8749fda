//! The scenarios for runtimes whose tasks are suspended by switching stacks: greenhub, may, and the system's threads. Those
//! about locks and channels are in [`sharing`].

pub(crate) mod sharing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sharing::Tools;

use crate::scenario::{BATCH, BRANCHES, Body, FAN_OUT, Sample, compute};

/// What the scenarios need of such a runtime. Every implementation's functions are always inlined: the scenarios are to
/// call each runtime as its users do, not through a function more.
pub(crate) trait Stackful: 'static {
    /// What is to be joined.
    type Handle<T: Send + 'static>: Send + 'static;
    /// What can be unparked.
    type Task: Send + 'static;
    /// The lock and the channels that go with it.
    type Tools: Tools;

    fn spawn<F, T>(f: F) -> Self::Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
    /// Spawns on another runtime, of one worker.
    fn spawn_apart<F, T>(f: F) -> Self::Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T;
    fn task<T: Send + 'static>(handle: &Self::Handle<T>) -> Self::Task;
    fn current() -> Self::Task;
    fn unpark(task: &Self::Task);
    fn park();
    fn yield_now();
}

/// Takes a sample, from inside a task of `R`.
pub(crate) fn take<R: Stackful>(sample: Sample) -> Duration {
    let Sample {
        body,
        iterations,
        spin,
    } = sample;
    match body {
        Body::SpawnJoin => timed(iterations, || R::join(R::spawn(|| ()))),
        Body::SpawnMany => timed(iterations, || spawn_many::<R, _>(BATCH, || ())),
        Body::Yield { tasks } => yields::<R>(tasks, iterations),
        Body::PingPong => ping_pong::<R>(iterations),
        Body::FanOut => timed(iterations, || {
            spawn_many::<R, _>(FAN_OUT, move || compute(spin));
        }),
        Body::Skynet { leaves } => timed(iterations, || {
            assert_eq!(skynet::<R>(0, leaves), leaves * (leaves - 1) / 2);
        }),
        Body::Count { tasks } => sharing::count::<R>(tasks, iterations),
        Body::Echo { apart } => sharing::echo::<R>(apart, iterations),
        Body::Messages { capacity } => timed(iterations, || sharing::messages::<R>(capacity)),
        Body::Select => timed(iterations, sharing::select::<R>),
    }
}

fn timed(iterations: u64, mut iteration: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        iteration();
    }
    start.elapsed()
}

fn spawn_many<R: Stackful, F>(tasks: u64, task: F)
where
    F: FnOnce() + Clone + Send + 'static,
{
    let handles: Vec<_> = (0..tasks).map(|_| R::spawn(task.clone())).collect();
    handles.into_iter().for_each(R::join);
}

fn yields<R: Stackful>(tasks: u64, rounds: u64) -> Duration {
    timed(1, || {
        spawn_many::<R, _>(tasks, move || (0..rounds).for_each(|_| R::yield_now()));
    })
}

/// The two tell apart a spurious unpark from theirs by the number of unparks so far, as any user has to.
fn ping_pong<R: Stackful>(trips: u64) -> Duration {
    let unparks = Arc::new(AtomicU64::new(0));
    let pong = R::spawn({
        let (unparks, ping) = (Arc::clone(&unparks), R::current());
        move || {
            for trip in 0..trips {
                park_until::<R>(&unparks, 2 * trip + 1);
                unparks.store(2 * trip + 2, Ordering::Release);
                R::unpark(&ping);
            }
        }
    });
    let task = R::task(&pong);
    let mut trip = 0;
    let elapsed = timed(trips, || {
        unparks.store(2 * trip + 1, Ordering::Release);
        R::unpark(&task);
        park_until::<R>(&unparks, 2 * trip + 2);
        trip += 1;
    });
    R::join(pong);
    elapsed
}

fn park_until<R: Stackful>(unparks: &AtomicU64, wanted: u64) {
    while unparks.load(Ordering::Acquire) != wanted {
        R::park();
    }
}

/// The sum of the leaves' numbers, `first` the lowest: each child is a task, and a leaf returns its number.
fn skynet<R: Stackful>(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let share = leaves / BRANCHES;
    let children: [_; BRANCHES as usize] = std::array::from_fn(|child| {
        let first = first + child as u64 * share;
        R::spawn(move || skynet::<R>(first, share))
    });
    children.into_iter().map(R::join).sum()
}
