//! A hub's driver, as its loop uses it.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use super::fire::Fire;
use super::poller::{Batch, Poller, Waiter};
use super::readiness::Readiness;
use super::slots::Slots;
use super::timers::{TimerKey, Timers};
use crate::greenlet::Unparker;
use crate::primitive::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::primitive::sync::{Arc, Mutex};

/// The poller and the timers of one hub, and the sockets that wait there.
///
/// Shared: the hub blocks in it, hubs that help a stuck one poll it, sockets keep it for as long as they live, and
/// anybody may notify the hub through it.
pub(crate) struct Driver {
    poller: Poller,
    timers: Timers<Fire>,
    /// What the poller's keys stand for. Held for a moment, by whoever registers or dispatches; nobody is woken and no
    /// system call made under it.
    sockets: Mutex<Sockets>,
    /// How many sockets are registered. A hint, written beside the table, so that nobody polls for none.
    registered: AtomicUsize,
    lane: LaneId,
}

/// Names the drivers of one lane, whose hubs poll for one another when one is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(u64);

impl LaneId {
    /// No other is the same.
    pub(crate) fn new() -> LaneId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        LaneId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The registered sockets.
struct Sockets {
    slots: Slots<Arc<Socket>>,
    /// The hub has gone: nothing is registered any more.
    closed: bool,
}

/// Both directions of a registered socket. The driver's events and the socket's waits meet here.
#[derive(Debug)]
pub(super) struct Socket {
    /// Reads, accepts.
    pub(super) read: Readiness<Unparker>,
    /// Writes, connects.
    pub(super) write: Readiness<Unparker>,
}

/// A buffer for a hub's events. One for each thread that blocks or polls.
#[derive(Default)]
pub(crate) struct Events {
    batch: Batch,
    /// Who is to be woken, when the lock is released.
    woken: Vec<Unparker>,
}

impl Driver {
    /// With nothing registered and nothing armed.
    pub(crate) fn new(lane: LaneId) -> io::Result<Driver> {
        Ok(Driver::with_poller(Poller::new()?, lane))
    }

    fn with_poller(poller: Poller, lane: LaneId) -> Driver {
        Driver {
            poller,
            timers: Timers::new(),
            sockets: Mutex::new(Sockets {
                slots: Slots::new(),
                closed: false,
            }),
            registered: AtomicUsize::new(0),
            lane,
        }
    }

    /// Whose hubs poll here.
    pub(crate) fn lane(&self) -> LaneId {
        self.lane
    }

    /// The hub: blocks the OS thread until there is an event, a notify, or `until` has come; wakes whoever the events
    /// concern, and says how many. May return early, for no reason or for a signal.
    pub(crate) fn block(&self, events: &mut Events, until: Option<Instant>) -> io::Result<usize> {
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.poller
            .wait(&mut events.batch, timeout, Waiter::Owner)?;
        Ok(self.dispatch(events))
    }

    /// The same without blocking, and without a system call when no socket is registered. With `own` false another hub's
    /// thread may call it; then the hub's own notify is left for the hub.
    pub(crate) fn poll(&self, events: &mut Events, own: bool) -> io::Result<usize> {
        if self.registered() == 0 {
            return Ok(0);
        }
        let waiter = if own { Waiter::Owner } else { Waiter::Helper };
        self.poller
            .wait(&mut events.batch, Some(Duration::ZERO), waiter)?;
        Ok(self.dispatch(events))
    }

    /// Any thread: ends the hub's [`block`](Driver::block), or its next one.
    pub(crate) fn notify(&self) {
        self.poller.notify();
    }

    /// The hub's timers.
    pub(crate) fn timers(&self) -> &Timers<Fire> {
        &self.timers
    }

    /// Any thread but the hub's: arms a timer, and notifies the hub if it may have blocked for longer.
    pub(crate) fn arm_remote(&self, at: Instant, fire: Fire) -> TimerKey {
        let (key, first) = self.timers.arm_and_tell(at, fire);
        if first {
            self.notify();
        }
        key
    }

    /// Does what is due at `now`, and says how much it was. From any thread.
    pub(crate) fn fire_timers(&self, now: Instant) -> usize {
        self.timers.fire(now, Fire::fire)
    }

    /// How many sockets are registered.
    pub(crate) fn registered(&self) -> usize {
        // Relaxed: a hub sees its own registrations, and whoever helps it may come a moment late.
        self.registered.load(Ordering::Relaxed)
    }

    /// The hub goes, and nobody will poll any more: wakes everybody who waits for a socket here. They, and whoever comes
    /// later, register elsewhere.
    pub(crate) fn close(&self) {
        let mut sockets = self.sockets.lock();
        sockets.closed = true;
        let mut woken = Vec::new();
        for socket in sockets.slots.iter() {
            socket.close(&mut woken);
        }
        drop(sockets);
        woken.into_iter().for_each(|waiter| waiter.unpark());
    }

    /// Registers a socket. When this fails nothing is left behind.
    ///
    /// # Safety
    ///
    /// `fd` must stay open until it is deregistered.
    pub(super) unsafe fn register(&self, fd: RawFd) -> io::Result<(usize, Arc<Socket>)> {
        let socket = Arc::new(Socket {
            read: Readiness::new(),
            write: Readiness::new(),
        });
        let mut sockets = self.sockets.lock();
        if sockets.closed {
            return Err(io::Error::other(
                "the runtime that this socket would wait in is shutting down",
            ));
        }
        let Ok(key) = sockets.slots.insert(socket.clone()) else {
            return Err(io::Error::other("too many sockets wait on one hub"));
        };
        drop(sockets);
        // Before the poller knows of it, so that its first event is not missed by a poll that thinks there is none.
        // Relaxed: as in `registered`.
        self.registered.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        if let Err(error) = unsafe { self.poller.add(fd, key) } {
            drop(self.forget(key));
            return Err(error);
        }
        Ok((key, socket))
    }

    /// Somebody may be waiting for a moment or for an event here.
    pub(crate) fn is_awaited(&self) -> bool {
        self.registered() > 0 || self.timers.may_be_armed()
    }

    /// Ends a registration and wakes whoever still waits there. An event that is on its way finds nothing. Does nothing the
    /// second time, when the descriptor may be registered anew.
    pub(super) fn deregister(&self, fd: BorrowedFd<'_>, key: usize) {
        if let Some(socket) = self.forget(key) {
            // It fails when there is nothing to delete. Whatever the reason, nothing is to be heard of it any more.
            let _ = self.poller.delete(fd);
            let mut woken = Vec::new();
            socket.close(&mut woken);
            woken.into_iter().for_each(|waiter| waiter.unpark());
        }
    }

    fn forget(&self, key: usize) -> Option<Arc<Socket>> {
        let socket = self.sockets.lock().slots.remove(key)?;
        // Relaxed: as in `registered`.
        self.registered.fetch_sub(1, Ordering::Relaxed);
        Some(socket)
    }

    /// Marks what the events say under the lock, wakes without it.
    fn dispatch(&self, events: &mut Events) -> usize {
        let Events { batch, woken } = events;
        let mut reported = batch.iter().peekable();
        if reported.peek().is_none() {
            return 0;
        }
        let sockets = self.sockets.lock();
        for event in reported {
            // None: closed since, and perhaps the place belongs to another socket now.
            let Some(socket) = sockets.slots.get(event.key) else {
                continue;
            };
            if event.readable {
                socket.read.set(event.wary, woken);
            }
            if event.writable {
                socket.write.set(event.wary, woken);
            }
        }
        drop(sockets);
        let count = woken.len();
        woken.drain(..).for_each(|waiter| waiter.unpark());
        count
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("registered", &self.registered())
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

impl Socket {
    pub(super) fn close(&self, woken: &mut Vec<Unparker>) {
        self.read.close(woken);
        self.write.close(woken);
    }
}

impl Events {
    /// An empty one.
    pub(crate) fn new() -> Events {
        Events::default()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "reactor_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reactor_blocking_tests.rs"]
mod blocking_tests;
