//! Telling those who wait for a greenlet that it could not begin.
//!
//! Its closure is dropped, and whoever joins it is woken: both may be somebody else's code, and wait. So a greenlet of its own
//! does it, on the stack that the lane keeps in reserve.

use std::collections::VecDeque;
use std::panic::Location;
use std::ptr::NonNull;

use super::hub::Hub;
use super::slice;
use crate::greenlet::{Failure, Ready, Schedule, Spawn, allocate};

/// Ends the greenlets of this hub for which there was no stack, for this reason; or leaves them where they were, if the reserve
/// is in use.
#[cold]
pub(crate) fn give_up(hub: &Hub, waiting: VecDeque<Ready>, reason: String) {
    let Some(stack) = hub.lane().reserve().take() else {
        return hub.core(|core| core.stackless.wait_on(waiting));
    };
    hub.core(|core| core.stackless.borrow_reserve());
    let spawn = Spawn {
        id: hub.take_id(),
        name: Some("greenhub: tells of those that could not begin".into()),
        spawned_at: Location::caller(),
        stack_size: stack.size(),
        migrating: false,
        pinned: true,
    };
    let home: NonNull<dyn Schedule> = NonNull::from(hub.remote());
    // SAFETY: the remote is valid as `Schedule` demands, and being pinned the closure never leaves this thread.
    let (ready, joined) = unsafe { allocate(spawn, home, move || end_all(waiting, &reason)) };
    // Nobody waits for it, and nobody ends it before it has told all.
    drop(joined);
    ready.header().shield();
    hub.shared().admit_uncounted();
    hub.heartbeat().spawned.add(1);
    if let Some(ready) = slice::begin_on(hub, ready, stack) {
        hub.push_back(ready);
    }
}

fn end_all(waiting: VecDeque<Ready>, reason: &str) {
    for ready in waiting {
        let message = format!("{} could not begin: {reason}", ready.header().describe());
        slice::cancel(ready, Failure::Panic(Box::new(message)));
    }
}
