//! greenhub, with settled and with migrating greenlets.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

use greenhub::channel::{Receiver, Sender, bounded, select, unbounded};
use greenhub::runtime::Runtime;
use greenhub::sync::Mutex;
use greenhub::{Greenlet, JoinHandle};

use super::Running;
use crate::scenario::{Sample, WIDTH};
use crate::stackful::sharing::Tools;
use crate::stackful::{self, Stackful};

/// Which of the two spawns is measured.
pub(super) trait Spawn: Send + 'static {
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
}

/// `greenhub::spawn`.
pub(super) struct Settled;

impl Spawn for Settled {
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        greenhub::spawn(f)
    }
}

/// `greenhub::spawn_migrating`.
pub(super) struct Migrating;

impl Spawn for Migrating {
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: it runs the bodies of `stackful` only, which keep nothing thread-bound and use no thread-local.
        unsafe { greenhub::spawn_migrating(f) }
    }
}

struct Greenhub<S> {
    runtime: Runtime,
    spawn: PhantomData<S>,
}

pub(super) fn start<S: Spawn>(hubs: usize) -> Box<dyn Running> {
    let runtime = Runtime::builder().hubs(hubs).build();
    Box::new(Greenhub::<S> {
        runtime: runtime.expect("greenhub starts"),
        spawn: PhantomData,
    })
}

impl<S: Spawn> Running for Greenhub<S> {
    fn take(&self, sample: Sample) -> Duration {
        // The main greenlet only waits: the sample is taken in one of the kind that is measured.
        self.runtime.run(move || {
            let body = S::spawn(move || stackful::take::<Self>(sample));
            Self::join(body)
        })
    }
}

impl<S: Spawn> Stackful for Greenhub<S> {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Task = Greenlet;
    type Tools = Own;

    #[inline(always)]
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        S::spawn(f)
    }

    #[inline(always)]
    fn spawn_apart<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        static OTHER: OnceLock<Runtime> = OnceLock::new();
        let other = OTHER.get_or_init(|| {
            let runtime = Runtime::builder().hubs(1).build();
            runtime.expect("greenhub starts")
        });
        Self::join(other.spawn(|| S::spawn(f)))
    }

    #[inline(always)]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("the greenlet ends by returning")
    }

    #[inline(always)]
    fn task<T: Send + 'static>(handle: &JoinHandle<T>) -> Greenlet {
        handle.greenlet().clone()
    }

    #[inline(always)]
    fn current() -> Greenlet {
        greenhub::current()
    }

    #[inline(always)]
    fn unpark(task: &Greenlet) {
        task.unpark();
    }

    #[inline(always)]
    fn park() {
        greenhub::park();
    }

    #[inline(always)]
    fn yield_now() {
        greenhub::yield_now();
    }
}

/// greenhub's lock and channels, for greenlets and OS threads alike.
pub(super) struct Own;

impl Tools for Own {
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
