//! may: stackful coroutines that any of its workers may run.

use std::time::Duration;

use may::coroutine::{self, Coroutine, JoinHandle};

use super::Running;
use crate::scenario::{Body, Sample};
use crate::stackful::{self, Stackful};

struct May;

/// may's scheduler belongs to the process, and starts at the first spawn.
pub(super) fn start(workers: usize) -> Box<dyn Running> {
    may::config().set_workers(workers);
    Box::new(May)
}

pub(super) fn declines(body: Body, _: usize) -> Option<&'static str> {
    match body {
        Body::Skynet { leaves } if leaves > 30_000 => Some(
            "each of its stacks is two mappings, and the system allows a process 65,530 of them: its spawn panics",
        ),
        _ => None,
    }
}

impl Running for May {
    fn take(&self, sample: Sample) -> Duration {
        May::join(May::spawn(move || stackful::take::<May>(sample)))
    }
}

impl Stackful for May {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Task = Coroutine;

    #[inline(always)]
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: it runs the bodies of `stackful` only, which use no thread-local and fit into may's stacks.
        unsafe { coroutine::spawn(f) }
    }

    #[inline(always)]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("the coroutine ends by returning")
    }

    #[inline(always)]
    fn task<T: Send + 'static>(handle: &JoinHandle<T>) -> Coroutine {
        handle.coroutine().clone()
    }

    #[inline(always)]
    fn current() -> Coroutine {
        coroutine::current()
    }

    #[inline(always)]
    fn unpark(task: &Coroutine) {
        task.unpark();
    }

    #[inline(always)]
    fn park() {
        coroutine::park();
    }

    #[inline(always)]
    fn yield_now() {
        coroutine::yield_now();
    }
}
