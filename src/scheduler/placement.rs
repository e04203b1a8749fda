//! Greenlets that begin on a hub of their spawner's choice.
//!
//! A fresh greenlet usually lies where any hub may steal it, and settles on whichever begins it. For those that live long
//! and mostly wait, a server's connections above all, that is too late to share them out fairly: the hub that spawns them
//! is seldom so busy that another has to steal. So these go to the inbox of the hub that is to have them, like settled
//! ones that were woken. Nobody steals them there; only their closures move, and those are `Send`.
//!
//! # A placement that races with the end
//!
//! A hub ends when its runtime is being shut down and it owns nothing, although other hubs still run. What is delivered to
//! it after that nobody takes. So the spawner does what spawners from outside do (`closing.rs`): it delivers, fences, and
//! reads the flag; if that is raised, it empties the inbox itself. A hub that ends has read the flag, fences, and looks into
//! its inbox for the last time. One of the fences comes first: either the last look sees the delivery, or the spawner sees
//! the flag. If both do, each greenlet is still taken once, as taking is one exchange of the inbox's head.

use std::io;
use std::panic::Location;
use std::ptr::{self, NonNull};

use super::hub;
use super::lane::Lane;
use super::shared::Shared;
use super::shutdown;
use super::spawn::try_for_a_stack;
use crate::greenlet::{GreenletId, Joined, Ready, Schedule, Spawn, allocate};

/// Spawns a greenlet that begins, and therefore settles, on that hub of the main lane; counted from the first again when
/// there are not so many.
///
/// # Errors
///
/// As for [`spawn`](super::spawn::spawn).
///
/// # Safety
///
/// `closure` and `T` must be fit to be sent to another thread, and stay valid until the greenlet has ended.
pub(crate) unsafe fn spawn_on<F, T>(
    shared: &Shared,
    hub: usize,
    place: &'static Location<'static>,
    closure: F,
) -> io::Result<Joined<T>>
where
    F: FnOnce() -> T,
{
    let lane = shared.main_lane();
    let stack_size = shared.stacks().default_size();
    if shared.stacks().exhausted() {
        try_for_a_stack(shared, stack_size)?;
    }
    shared.admit()?;
    let spawn = Spawn {
        id: hub::with_current(hub::Hub::take_id).unwrap_or_else(GreenletId::single),
        name: None,
        spawned_at: place,
        stack_size,
        migrating: false,
        pinned: false,
    };
    let home: NonNull<dyn Schedule> = NonNull::from(lane);
    // SAFETY: the lane is valid as `Schedule` demands; the closure is fit, as the caller says.
    let (ready, joined) = unsafe { allocate(spawn, home, closure) };
    lane.count_spawned_outside();
    deliver(shared, lane, hub % lane.remotes().len(), ready);
    Ok(joined)
}

fn deliver(shared: &Shared, lane: &Lane, index: usize, ready: Ready) {
    if shared.closing().is_raised() {
        return shutdown::cancel_outside(shared, lane, ready);
    }
    let remote = &lane.remotes()[index];
    let mut ready = Some(ready);
    hub::with_current(|hub| {
        // This very hub, which has not ended.
        if ptr::eq(hub.remote(), remote) {
            ready.take().into_iter().for_each(|own| hub.push_back(own));
        }
    });
    let Some(ready) = ready else { return };
    if remote.deliver(ready) {
        remote.driver().notify();
    }
    if shared.closing().is_raised_after_push() {
        shutdown::clear_inbox(shared, lane, remote);
    }
}
