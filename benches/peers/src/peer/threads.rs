//! std threads: a task is a thread of the system. With std's lock and channels, or others.

use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::Running;
use crate::scenario::{Apart, Body, Sample, WIDTH};
use crate::stackful::sharing::Tools;
use crate::stackful::{self, Stackful};

struct Threads<T>(PhantomData<T>);

pub(super) fn start<T: Tools + Send>(_workers: usize) -> Box<dyn Running> {
    Box::new(Threads::<T>(PhantomData))
}

pub(super) fn declines(body: Body, workers: usize) -> Option<&'static str> {
    match (body, workers) {
        (Body::Skynet { .. }, _) => Some("the system takes no such number of threads"),
        (Body::Select, _) => Some("std's channels have no select"),
        (Body::Echo { apart: Apart::Yes }, _) => None,
        (_, 1) => Some("that would take a machine with one core"),
        _ => None,
    }
}

/// Of threads with other tools than std's, only these are of interest.
pub(super) fn declines_but_sharing(body: Body, workers: usize) -> Option<&'static str> {
    match body {
        Body::Select if workers > 1 => None,
        body if body.shares() => declines(body, workers),
        _ => Some("it is about locks and channels"),
    }
}

impl<T: Tools + Send> Running for Threads<T> {
    fn take(&self, sample: Sample) -> Duration {
        Self::join(Self::spawn(move || stackful::take::<Self>(sample)))
    }
}

impl<U: Tools + Send> Stackful for Threads<U> {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Task = Thread;
    type Tools = U;

    #[inline(always)]
    fn spawn<F, T>(f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        thread::spawn(f)
    }

    #[inline(always)]
    fn spawn_apart<F, T>(f: F) -> JoinHandle<T>
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

/// std's lock and channels.
pub(super) struct Std;

/// std has a type for each kind of sender.
#[derive(Clone)]
pub(super) enum StdSender {
    Bounded(SyncSender<u64>),
    Unbounded(Sender<u64>),
}

impl Tools for Std {
    type Counter = Mutex<u64>;
    type Sender = StdSender;
    type Receiver = Receiver<u64>;

    #[inline(always)]
    fn count(counter: &Mutex<u64>) -> u64 {
        let mut counter = counter.lock().expect("nobody panics");
        *counter += 1;
        *counter - 1
    }

    fn channel(capacity: Option<usize>) -> (StdSender, Receiver<u64>) {
        match capacity {
            Some(capacity) => {
                let (sender, receiver) = mpsc::sync_channel(capacity);
                (StdSender::Bounded(sender), receiver)
            }
            None => {
                let (sender, receiver) = mpsc::channel();
                (StdSender::Unbounded(sender), receiver)
            }
        }
    }

    #[inline(always)]
    fn send(sender: &StdSender, message: u64) {
        let sent = match sender {
            StdSender::Bounded(sender) => sender.send(message),
            StdSender::Unbounded(sender) => sender.send(message),
        };
        sent.expect("somebody receives");
    }

    #[inline(always)]
    fn recv(receiver: &Receiver<u64>) -> u64 {
        receiver.recv().expect("somebody sends")
    }

    fn select(_receivers: [Receiver<u64>; WIDTH], _messages: u64) -> u64 {
        unreachable!("std has none; see `declines`")
    }
}
