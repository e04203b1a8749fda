//! The flag that a runtime is being shut down, and its order with the pushes of spawners.
//!
//! A spawner (1) pushes, (2) fences, (3) reads the flag, and if it is raised clears the queue that it has pushed onto. A
//! hub that ends (a) reads the flag, (b) fences, (c) looks at the queues for the last time. Both fences are `SeqCst`, so
//! one comes first: if the spawner's, then (c) sees the push; if the hub's, then (3) sees what (a) has seen.

use crate::primitive::atomic::{AtomicBool, Ordering, fence};

/// Raised once, by whoever shuts the runtime down; it never goes back.
#[derive(Debug)]
pub(crate) struct Closing(AtomicBool);

impl Closing {
    /// Not raised.
    pub(crate) fn new() -> Closing {
        Closing(AtomicBool::new(false))
    }

    /// Begins the shutdown. The hubs must be notified after this.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
        // A hub that goes idle now sees the flag at its last look, or is notified while it blocks.
        fence(Ordering::SeqCst);
    }

    /// Nothing is spawned any more.
    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A spawner, after its push: the hubs may have looked for the last time before it.
    pub(crate) fn is_raised_after_push(&self) -> bool {
        // (2) of the proof above.
        fence(Ordering::SeqCst);
        self.is_raised()
    }

    /// A hub that has nothing left to do: if so, it must look at its queues once more, and end.
    pub(crate) fn is_raised_before_last_look(&self) -> bool {
        let raised = self.is_raised();
        // (b) of the proof above.
        fence(Ordering::SeqCst);
        raised
    }
}
