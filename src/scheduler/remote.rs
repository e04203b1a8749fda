//! The part of a hub that other threads may touch.

use std::fmt;
use std::ptr;

use crossbeam_utils::CachePadded;

use super::backlog::BacklogLen;
use super::heartbeat::Heartbeat;
use super::inbox::{Inbox, Linked, Pushed};
use super::owned::Owned;
use super::question::Question;
use super::queue::Stealer;
use super::survey::Questions;
use crate::driver::Driver;
use crate::greenlet::{Header, Ready};
use crate::primitive::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::primitive::sync::Arc;

/// One hub, seen from outside.
pub(crate) struct Remote {
    /// Settled greenlets that other threads have woken. Pushed by anyone, taken by the hub.
    mail: CachePadded<Mail>,
    /// Written by the hub, read by anyone.
    heartbeat: CachePadded<Heartbeat>,
    /// How many settled greenlets are ready in the hub's own queues.
    backlog: Arc<BacklogLen>,
    /// The stealable end of the hub's queue.
    stealer: Stealer,
    /// The hub's poller and timers.
    driver: Arc<Driver>,
    /// What it is asked. Left by anyone, taken by the hub.
    questions: Questions<Question>,
    /// Where the list of its settled greenlets lies, for `outside.rs`. Null before it runs.
    owned: AtomicPtr<Owned>,
    /// Which of its lane's hubs it is.
    index: usize,
}

/// What other threads leave for the hub.
struct Mail {
    inbox: Inbox<Header>,
    /// How many have ever been left, if anybody wants to know. Here, because who leaves one needs this cache line anyway.
    delivered: Option<AtomicU64>,
}

// SAFETY: the link is a field of the header, which lives while its `Ready` does.
unsafe impl Linked for Header {
    fn link(&self) -> &AtomicPtr<Header> {
        Header::link(self)
    }
}

impl Remote {
    /// For the hub that owns the other end of `stealer`. If it is `observed`, deliveries are counted.
    pub(crate) fn new(
        index: usize,
        stealer: Stealer,
        driver: Arc<Driver>,
        observed: bool,
    ) -> Remote {
        Remote {
            mail: CachePadded::new(Mail {
                inbox: Inbox::new(),
                delivered: observed.then(AtomicU64::default),
            }),
            heartbeat: CachePadded::new(Heartbeat::new()),
            backlog: Arc::default(),
            stealer,
            driver,
            questions: Questions::new(),
            owned: AtomicPtr::new(ptr::null_mut()),
            index,
        }
    }

    /// What it is asked.
    #[inline]
    pub(crate) fn questions(&self) -> &Questions<Question> {
        &self.questions
    }

    /// The hub: its list lies here.
    pub(crate) fn show_owned(&self, owned: &Owned) {
        self.owned
            .store(ptr::from_ref(owned).cast_mut(), Ordering::Relaxed);
    }

    /// Where the hub's list lies, or lay. Not to be followed.
    pub(crate) fn owned_place(&self) -> *const Owned {
        // Relaxed: whoever has read the number of a slice with acquire sees what was stored before the first.
        self.owned.load(Ordering::Relaxed)
    }

    /// Any thread: leaves a greenlet that is settled here. `true`: the hub is idle, and must be notified by the caller.
    #[must_use = "an idle hub must be notified"]
    pub(crate) fn deliver(&self, ready: Ready) -> bool {
        // Before the push, so that the hub never takes more than were counted. Relaxed: it is for reports.
        if let Some(delivered) = &self.mail.delivered {
            delivered.fetch_add(1, Ordering::Relaxed);
        }
        self.mail.inbox.push(ready.into_raw()) == Pushed::Idle
    }

    /// What has been delivered.
    #[inline]
    pub(crate) fn inbox(&self) -> &Inbox<Header> {
        &self.mail.inbox
    }

    /// How many greenlets are ready on this hub, as far as others can tell.
    pub(crate) fn ready(&self) -> usize {
        let taken = self.heartbeat.taken_in.get();
        let delivered = self.mail.delivered.as_ref();
        let delivered = delivered.map_or(taken, |delivered| delivered.load(Ordering::Relaxed));
        let waiting = usize::try_from(delivered.saturating_sub(taken)).unwrap_or(usize::MAX);
        self.backlog.get() + self.stealer.len() + waiting
    }

    /// What can be seen of the hub's own queues.
    pub(crate) fn backlog(&self) -> &Arc<BacklogLen> {
        &self.backlog
    }

    /// Its counters.
    #[inline]
    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// What can be stolen from it.
    pub(crate) fn stealer(&self) -> &Stealer {
        &self.stealer
    }

    /// What it waits with.
    #[inline]
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Which of its lane's hubs it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
