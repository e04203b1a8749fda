//! may: stackful coroutines that any of its workers may run.

use std::time::Duration;

use may::coroutine::{self, Coroutine, JoinHandle};
use may::sync::Mutex;
use may::sync::mpsc::{self, Receiver, Sender};

use super::Running;
use crate::scenario::{Apart, Body, Sample, WIDTH};
use crate::stackful::sharing::Tools;
use crate::stackful::{self, Stackful};

struct May;

/// Why it is not asked to select.
const SELECT: &str = "its select wants a list of its own making, and lets one wait for a fixed set of expressions only";

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
        Body::Messages { capacity: Some(_) } => Some("its channels have no capacity"),
        Body::Echo { apart: Apart::Yes } => Some("a process has one runtime of it"),
        Body::Select => Some(SELECT),
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
    type Tools = May;

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
    fn spawn_apart<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        unreachable!(
            "it has one runtime; see `declines`: {}",
            std::any::type_name_of_val(&f)
        )
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

impl Tools for May {
    type Counter = Mutex<u64>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    #[inline(always)]
    fn count(counter: &Mutex<u64>) -> u64 {
        let mut counter = counter.lock().expect("nobody panics");
        *counter += 1;
        *counter - 1
    }

    fn channel(_capacity: Option<usize>) -> (Sender<u64>, Receiver<u64>) {
        mpsc::channel()
    }

    #[inline(always)]
    fn send(sender: &Sender<u64>, message: u64) {
        sender.send(message).expect("somebody receives");
    }

    #[inline(always)]
    fn recv(receiver: &Receiver<u64>) -> u64 {
        receiver.recv().expect("somebody sends")
    }

    fn select(_receivers: [Receiver<u64>; WIDTH], _messages: u64) -> u64 {
        unreachable!("{SELECT}")
    }
}
