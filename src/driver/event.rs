//! What a poller reports.

/// Something has happened to a registered socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// What it was registered under.
    pub(super) key: usize,
    /// A read, a peek or an accept may go on.
    pub(super) readable: bool,
    /// A write or a connect may go on.
    pub(super) writable: bool,
    /// More is to be had than bytes or room: a hang-up of the peer, an error, urgent data. Also set by a poller that
    /// cannot tell.
    pub(super) wary: bool,
}

/// The key of a hub's own wake-up; no socket gets it. (`polling` keeps `usize::MAX` for itself.)
pub(super) const NOTIFY_KEY: usize = usize::MAX - 1;
