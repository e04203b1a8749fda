//! What is tried before a wait.

use crossbeam_utils::Backoff;

use crate::wait;

/// What is left to try before a wait, which costs more than a second look.
pub(super) struct Patience {
    yields: u32,
}

impl Patience {
    /// Nothing has been tried.
    pub(super) fn new() -> Patience {
        Patience { yields: YIELDS }
    }

    /// Gives others a chance to change what stands in the way: `true` if they may have.
    ///
    /// A greenlet lets its hub run the others once: two that exchange messages on one hub then never park. An OS thread spins
    /// for a little while.
    #[inline(always)]
    pub(super) fn pause(&mut self, is_ready: impl Fn() -> bool) -> bool {
        if self.yields == 0 {
            return false;
        }
        self.yields -= 1;
        if wait::in_greenlet() {
            wait::give_way();
            true
        } else {
            self.yields = 0;
            spin(is_ready)
        }
    }
}

/// How often a greenlet yields before it waits.
const YIELDS: u32 = if cfg!(greenhub_loom) { 0 } else { 1 };

#[inline(never)]
fn spin(is_ready: impl Fn() -> bool) -> bool {
    let backoff = Backoff::new();
    while !backoff.is_completed() {
        backoff.snooze();
        if is_ready() {
            return true;
        }
    }
    false
}
