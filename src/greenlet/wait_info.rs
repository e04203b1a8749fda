//! Where, since when and for what a greenlet waits, for whoever lists greenlets.

use std::fmt;
use std::panic::Location;

use super::moment::Moment;
use super::place::AtomicPlace;
use crate::primitive::atomic::{AtomicU8, AtomicU64, Ordering};

/// What a parked greenlet waits for, as a [`Dump`](crate::runtime::Dump) lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum WaitKind {
    /// A public `unpark`.
    Park,
    /// A point in time.
    Sleep,
    /// Another greenlet's end.
    Join,
    /// The end of every greenlet of a scope.
    Scope,
    /// Bytes to read.
    Read,
    /// Room to write.
    Write,
    /// A connection to accept.
    Accept,
    /// A connection to be made.
    Connect,
    /// A runtime's end.
    Shutdown,
    /// A lock.
    Lock,
    /// A condition.
    Condvar,
    /// Permits of a semaphore.
    Semaphore,
    /// The others at a barrier.
    Barrier,
    /// An event.
    Event,
    /// A value that another initialises.
    Once,
    /// Room in a channel.
    Send,
    /// A message.
    Receive,
    /// One of several channels.
    Select,
    /// A future.
    Future,
    /// A place in a pool, or what its greenlets yield.
    Pool,
    /// What the hubs answer to a [`dump`](crate::runtime::Runtime::dump).
    Dump,
    /// A blocking call on a thread of its own.
    Offload,
}

impl WaitKind {
    const ALL: [WaitKind; 22] = [
        WaitKind::Park,
        WaitKind::Sleep,
        WaitKind::Join,
        WaitKind::Scope,
        WaitKind::Read,
        WaitKind::Write,
        WaitKind::Accept,
        WaitKind::Connect,
        WaitKind::Shutdown,
        WaitKind::Lock,
        WaitKind::Condvar,
        WaitKind::Semaphore,
        WaitKind::Barrier,
        WaitKind::Event,
        WaitKind::Once,
        WaitKind::Send,
        WaitKind::Receive,
        WaitKind::Select,
        WaitKind::Future,
        WaitKind::Pool,
        WaitKind::Dump,
        WaitKind::Offload,
    ];
}

impl fmt::Display for WaitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitKind::Park => "park",
            WaitKind::Sleep => "sleep",
            WaitKind::Join => "join",
            WaitKind::Scope => "scope",
            WaitKind::Read => "read",
            WaitKind::Write => "write",
            WaitKind::Accept => "accept",
            WaitKind::Connect => "connect",
            WaitKind::Shutdown => "shutdown",
            WaitKind::Lock => "lock",
            WaitKind::Condvar => "condvar",
            WaitKind::Semaphore => "semaphore",
            WaitKind::Barrier => "barrier",
            WaitKind::Event => "event",
            WaitKind::Once => "once",
            WaitKind::Send => "send",
            WaitKind::Receive => "receive",
            WaitKind::Select => "select",
            WaitKind::Future => "future",
            WaitKind::Pool => "pool",
            WaitKind::Dump => "dump",
            WaitKind::Offload => "offload",
        })
    }
}

/// The last wait that a greenlet began. Written by the greenlet, read by anyone; the two words may come from two
/// different waits when they are read in the middle of a change, which a report can bear.
#[derive(Debug)]
pub(crate) struct WaitInfo {
    since: AtomicU64,
    kind: AtomicU8,
    place: AtomicPlace,
}

/// One wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitBegun {
    pub(crate) kind: WaitKind,
    /// As exact as the clock of the hub on which it began.
    pub(crate) since: Moment,
    pub(crate) place: &'static Location<'static>,
}

impl WaitInfo {
    pub(super) fn new() -> WaitInfo {
        WaitInfo {
            since: AtomicU64::new(0),
            kind: AtomicU8::new(0),
            place: AtomicPlace::none(),
        }
    }

    /// A wait begins.
    #[inline]
    pub(crate) fn set(&self, kind: WaitKind, since: Moment, place: &'static Location<'static>) {
        // Relaxed: these are for reports and order nothing.
        self.since.store(since.nanos(), Ordering::Relaxed);
        self.kind.store(kind as u8, Ordering::Relaxed);
        self.place.set(place);
    }

    /// The last wait, if there was one.
    pub(crate) fn get(&self) -> Option<WaitBegun> {
        let since = self.since.load(Ordering::Relaxed);
        let kind = self.kind.load(Ordering::Relaxed);
        Some(WaitBegun {
            kind: WaitKind::ALL[usize::from(kind)],
            since: Moment::from_nanos(since),
            place: self.place.get()?,
        })
    }
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::*;

    #[test]
    fn a_wait_keeps_its_kind_beside_its_moment() {
        let info = WaitInfo::new();
        assert!(info.get().is_none());
        for (number, kind) in WaitKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            let place = Location::caller();
            let since = Moment::from_nanos(u64::MAX - number as u64);
            info.set(kind, since, place);
            let wait = info.get().unwrap();
            assert_eq!((wait.kind, wait.since, wait.place), (kind, since, place));
        }
    }
}
