//! What an idle hub remembers of the others, to tell which of them is stuck in one slice.

use std::time::{Duration, Instant};

/// How long a slice must have lasted before other hubs help, and how often they look.
pub(crate) const INTERVAL: Duration = Duration::from_millis(10);

/// How many looks a hub takes, when all are idle, before it sleeps for as long as it may: a hub that wakes meanwhile, and
/// many do soon, need not notify it.
const LINGER: u32 = 10;

/// One hub's memory.
#[derive(Debug)]
pub(crate) struct Watch {
    looked: Option<Instant>,
    /// How often it has gone idle since somebody picked it.
    idled: u32,
    slices: Vec<u64>,
}

impl Watch {
    /// For a lane of `hubs` hubs.
    pub(crate) fn new(hubs: usize) -> Watch {
        Watch {
            looked: None,
            idled: 0,
            slices: vec![0; hubs],
        }
    }

    /// It is time to look again.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        if self.looked.is_some_and(|looked| now - looked < INTERVAL) {
            return false;
        }
        self.looked = Some(now);
        true
    }

    /// A hub goes idle: it would rather go on looking, even if nobody is awake.
    pub(crate) fn lingers(&mut self) -> bool {
        self.idled = self.idled.saturating_add(1);
        self.idled <= LINGER
    }

    /// Somebody wanted this hub awake.
    pub(crate) fn was_picked(&mut self) {
        self.idled = 0;
    }

    /// Notes a hub's slice counter: `true` if it was the same the last time.
    pub(crate) fn stands_still(&mut self, hub: usize, slices: u64) -> bool {
        std::mem::replace(&mut self.slices[hub], slices) == slices
    }
}
