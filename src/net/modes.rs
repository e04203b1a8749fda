//! What std's sockets keep in the kernel and ours must know themselves: timeouts, and whether to wait at all.

use std::time::Duration;

use crate::primitive::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The settings that all clones of one socket share, as they share the kernel's. Each is a word of its own that orders
/// nothing else, so all accesses are relaxed.
#[derive(Debug, Default)]
pub(super) struct Modes {
    /// Nanoseconds; zero for no timeout.
    read: AtomicU64,
    write: AtomicU64,
    /// One of the constants.
    nonblocking: AtomicU8,
    /// Others have, or had, the descriptor, and may have set what no call here does.
    is_lent: AtomicBool,
}

/// Nobody has said.
const UNSAID: u8 = 0;
const BLOCKING: u8 = 1;
const NONBLOCKING: u8 = 2;

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// For this long.
    For(Duration),
    /// For ever.
    Endless,
}

impl Modes {
    /// With these timeouts.
    pub(super) fn new(read: Option<Duration>, write: Option<Duration>) -> Modes {
        let modes = Modes::default();
        modes.set_read_timeout(read);
        modes.set_write_timeout(write);
        modes
    }

    /// The read timeout.
    pub(super) fn read_timeout(&self) -> Option<Duration> {
        from_word(&self.read)
    }

    /// The write timeout.
    pub(super) fn write_timeout(&self) -> Option<Duration> {
        from_word(&self.write)
    }

    /// Sets the read timeout, which is not zero.
    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.read.store(to_word(timeout), Ordering::Relaxed);
    }

    /// Sets the write timeout, which is not zero.
    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.write.store(to_word(timeout), Ordering::Relaxed);
    }

    /// Calls return `WouldBlock` instead of waiting.
    pub(super) fn nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed) == NONBLOCKING
    }

    /// Sets that.
    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        let said = if nonblocking { NONBLOCKING } else { BLOCKING };
        self.nonblocking.store(said, Ordering::Relaxed);
    }

    /// What was set last, if anything was.
    pub(super) fn said_of_nonblocking(&self) -> Option<bool> {
        match self.nonblocking.load(Ordering::Relaxed) {
            UNSAID => None,
            said => Some(said == NONBLOCKING),
        }
    }

    /// Others get the descriptor, or have given it.
    #[inline]
    pub(super) fn set_lent(&self) {
        if !self.is_lent() {
            self.is_lent.store(true, Ordering::Relaxed);
        }
    }

    /// Others have, or had, the descriptor: the system must be asked whether the socket lingers.
    #[inline]
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Relaxed)
    }

    /// How long a read may wait.
    pub(super) fn read_patience(&self) -> Patience {
        self.patience(self.read_timeout())
    }

    /// How long a write may wait.
    pub(super) fn write_patience(&self) -> Patience {
        self.patience(self.write_timeout())
    }

    fn patience(&self, timeout: Option<Duration>) -> Patience {
        if self.nonblocking() {
            Patience::None
        } else {
            timeout.map_or(Patience::Endless, Patience::For)
        }
    }
}

fn to_word(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| {
        u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
    })
}

fn from_word(word: &AtomicU64) -> Option<Duration> {
    match word.load(Ordering::Relaxed) {
        0 => None,
        nanoseconds => Some(Duration::from_nanos(nanoseconds)),
    }
}
