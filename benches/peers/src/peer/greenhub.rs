//! greenhub, with settled and with migrating greenlets.

use std::marker::PhantomData;
use std::time::Duration;

use greenhub::runtime::Runtime;
use greenhub::{Greenlet, JoinHandle};

use super::Running;
use crate::scenario::Sample;
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

    #[inline(always)]
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        S::spawn(f)
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
