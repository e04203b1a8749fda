//! Whom to wake.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

use super::handle::Greenlet;
use super::header::Header;
use crate::primitive::thread;

/// Somebody who waits: a greenlet or an OS thread. Both may wake spuriously, so every wait loops on its condition.
#[derive(Clone, Debug)]
pub(crate) enum Unparker {
    /// A greenlet, through its scheduler.
    Greenlet(Greenlet),
    /// An OS thread. Not by std's `unpark`: that permit is the user's own.
    Thread(thread::Unparker),
}

impl Unparker {
    /// Wakes it, or makes its next park return at once.
    pub(crate) fn unpark(&self) {
        match self {
            Unparker::Greenlet(greenlet) => greenlet.wake(),
            Unparker::Thread(thread) => thread.unpark(),
        }
    }

    /// The same as a [`Waker`], which for a greenlet allocates nothing.
    pub(crate) fn into_waker(self) -> Waker {
        match self {
            Unparker::Greenlet(greenlet) => greenlet_waker(greenlet),
            Unparker::Thread(thread) => Waker::from(Arc::new(ThreadWaker(thread))),
        }
    }
}

struct ThreadWaker(thread::Unparker);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn greenlet_waker(greenlet: Greenlet) -> Waker {
    // SAFETY: the table's functions keep RawWaker's contract: the data is a counted reference, each clone counts its own,
    // and `Greenlet` is Send and Sync.
    unsafe { Waker::from_raw(raw(greenlet)) }
}

static GREENLET: RawWakerVTable = RawWakerVTable::new(
    |data| raw(Greenlet::clone(&borrowed(data))),
    |data| owned(data).wake_and_drop(),
    |data| borrowed(data).wake(),
    |data| drop(owned(data)),
);

/// The waker wakes a greenlet, and does nothing else: it neither waits nor panics.
pub(crate) fn wakes_greenlet(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &GREENLET)
}

fn raw(greenlet: Greenlet) -> RawWaker {
    RawWaker::new(greenlet.into_raw().as_ptr().cast_const().cast(), &GREENLET)
}

fn owned(data: *const ()) -> Greenlet {
    // SAFETY: called by the table above, with the data of a waker that is given up; it is what `raw` made.
    unsafe { Greenlet::from_raw(NonNull::new_unchecked(data.cast_mut().cast::<Header>())) }
}

fn borrowed(data: *const ()) -> ManuallyDrop<Greenlet> {
    ManuallyDrop::new(owned(data))
}
