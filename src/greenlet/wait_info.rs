//! Where and for what a greenlet waits, for whoever lists greenlets.

use std::fmt;
use std::panic::Location;
use std::ptr;

use crate::primitive::atomic::{AtomicPtr, AtomicU8, Ordering};

/// What a parked greenlet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WaitKind {
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
    /// A blocking call on a thread of its own.
    Offload,
}

impl WaitKind {
    const ALL: [WaitKind; 21] = [
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
            WaitKind::Offload => "offload",
        })
    }
}

/// The last wait that a greenlet began. Written by the greenlet, read by anyone; the two words may come from two
/// different waits when they are read in the middle of a change, which a report can bear.
#[derive(Debug)]
pub(crate) struct WaitInfo {
    kind: AtomicU8,
    place: AtomicPtr<Location<'static>>,
}

impl WaitInfo {
    pub(super) fn new() -> WaitInfo {
        WaitInfo {
            kind: AtomicU8::new(0),
            place: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A wait begins.
    #[inline]
    pub(crate) fn set(&self, kind: WaitKind, place: &'static Location<'static>) {
        // Relaxed: these are for reports and order nothing.
        self.kind.store(kind as u8, Ordering::Relaxed);
        self.place
            .store(ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
    }

    /// The last wait, if there was one.
    pub(crate) fn get(&self) -> Option<(WaitKind, &'static Location<'static>)> {
        let kind = self.kind.load(Ordering::Relaxed);
        let place = self.place.load(Ordering::Relaxed);
        // SAFETY: the pointer is null or was made from a `&'static Location` in `set`.
        let place = unsafe { place.as_ref() }?;
        Some((WaitKind::ALL[usize::from(kind)], place))
    }
}
