//! std threads: a task is a thread of the system.

use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::Running;
use crate::scenario::{Body, Sample};
use crate::stackful::{self, Stackful};

struct Threads;

pub(super) fn start(_workers: usize) -> Box<dyn Running> {
    Box::new(Threads)
}

pub(super) fn declines(body: Body, workers: usize) -> Option<&'static str> {
    match (body, workers) {
        (Body::Skynet { .. }, _) => Some("the system takes no such number of threads"),
        (_, 1) => Some("that would take a machine with one core"),
        _ => None,
    }
}

impl Running for Threads {
    fn take(&self, sample: Sample) -> Duration {
        Threads::join(Threads::spawn(move || stackful::take::<Threads>(sample)))
    }
}

impl Stackful for Threads {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Task = Thread;

    #[inline(always)]
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        thread::spawn(f)
    }

    #[inline(always)]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("the thread ends by returning")
    }

    #[inline(always)]
    fn task<T: Send + 'static>(handle: &JoinHandle<T>) -> Thread {
        handle.thread().clone()
    }

    #[inline(always)]
    fn current() -> Thread {
        thread::current()
    }

    #[inline(always)]
    fn unpark(task: &Thread) {
        task.unpark();
    }

    #[inline(always)]
    fn park() {
        thread::park();
    }

    #[inline(always)]
    fn yield_now() {
        thread::yield_now();
    }
}
