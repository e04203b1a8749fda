//! Making greenlets, and giving them their first queue.

use std::io;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::time::Instant;

use super::hub;
use super::lane::{Lane, LaneKind};
use super::launch::compute_lane;
use super::shared::Shared;
use super::shutdown;
use crate::driver::{Driver, Fire, TimerKey};
use crate::fiber::{StackCache, StackSize};
use crate::greenlet::{Greenlet, GreenletId, Joined, Ready, Schedule, Spawn, allocate};
use crate::primitive::sync::Arc;

/// What is asked for beyond a closure.
#[derive(Debug)]
pub(crate) struct Options {
    /// A name for messages.
    pub(crate) name: Option<Box<str>>,
    /// A stack of another size than the runtime's.
    pub(crate) stack_size: Option<StackSize>,
    /// Where it is to run.
    pub(crate) lane: LaneKind,
    /// Any hub may run it whenever it is ready.
    pub(crate) migrating: bool,
    /// It is to begin then, not now.
    pub(crate) start_at: Option<Instant>,
}

impl Options {
    /// An unnamed greenlet of the main lane that begins at once, and settles.
    pub(crate) const PLAIN: Options = Options {
        name: None,
        stack_size: None,
        lane: LaneKind::Main,
        migrating: false,
        start_at: None,
    };
}

/// Spawns a greenlet in the runtime of `shared`.
///
/// # Errors
///
/// If as many greenlets as allowed are alive, no stack can be had, or the compute lane cannot be started.
///
/// # Safety
///
/// `closure` and `T` must be fit to be sent to another thread, and stay valid until the greenlet has ended. If it is to
/// migrate, the closure's author promises what [`spawn_migrating`](crate::spawn_migrating) asks.
#[inline]
pub(crate) unsafe fn spawn<F, T>(
    shared: &Shared,
    options: Options,
    place: &'static Location<'static>,
    closure: F,
) -> io::Result<Joined<T>>
where
    F: FnOnce() -> T,
{
    let lane = match options.lane {
        LaneKind::Main if shared.isolation().contains(place) => {
            // Better beside the others than not at all.
            compute_lane(shared).unwrap_or(shared.main_lane())
        }
        LaneKind::Main => shared.main_lane(),
        LaneKind::Compute => compute_lane(shared)?,
    };
    let stack_size = options
        .stack_size
        .unwrap_or_else(|| shared.stacks().default_size());
    if shared.stacks().exhausted() {
        try_for_a_stack(shared, stack_size)?;
    }
    shared.admit()?;
    let start_at = options.start_at;
    let spawn = |id| Spawn {
        id,
        name: options.name,
        spawned_at: place,
        stack_size,
        migrating: options.migrating,
        pinned: false,
    };
    let home: NonNull<dyn Schedule> = NonNull::from(lane);
    // The common case first, with one look at who runs here: a greenlet of the same lane spawns.
    hub::with_current_or(
        |hub| ptr::eq(hub.lane(), lane) && start_at.is_none() && !shared.closing().is_raised(),
        |here| match here {
            Some(hub) => {
                // SAFETY: the lane is valid as `Schedule` demands; the closure is fit, as the caller says.
                let (ready, joined) = unsafe { allocate(spawn(hub.take_id()), home, closure) };
                hub.push_fresh(ready);
                Ok(joined)
            }
            None => {
                // SAFETY: as above.
                let (ready, joined) =
                    unsafe { allocate(spawn(GreenletId::single()), home, closure) };
                lane.count_spawned_outside();
                match start_at {
                    None => push_outside(shared, lane, ready),
                    Some(at) => push_later(shared, lane, ready, at),
                }
                Ok(joined)
            }
        },
    )
}

/// Spawns a greenlet that stays on the hub of this thread. `None` if it has none.
///
/// # Errors
///
/// As for [`spawn`].
///
/// # Safety
///
/// `closure` and `T` must stay valid until the greenlet has ended.
pub(crate) unsafe fn spawn_local<F, T>(
    place: &'static Location<'static>,
    closure: F,
) -> Option<io::Result<Joined<T>>>
where
    F: FnOnce() -> T,
{
    hub::with_current(|hub| {
        let shared = hub.shared();
        let stack_size = shared.stacks().default_size();
        if shared.stacks().exhausted() {
            try_for_a_stack(shared, stack_size)?;
        }
        shared.admit()?;
        let spawn = Spawn {
            id: hub.take_id(),
            name: None,
            spawned_at: place,
            stack_size,
            migrating: false,
            pinned: true,
        };
        let home: NonNull<dyn Schedule> = NonNull::from(hub.remote());
        // SAFETY: the remote is valid as `Schedule` demands, and being pinned the closure never leaves this thread.
        let (ready, joined) = unsafe { allocate(spawn, home, closure) };
        hub.heartbeat().spawned.add(1);
        // Even if the runtime is closing: the hub that runs this has not ended, and will cancel it.
        hub.push_back(ready);
        Ok(joined)
    })
}

/// The runtime of the hub that runs here, if there is one.
#[inline]
pub(crate) fn with_current_runtime<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> Option<R> {
    hub::with_current(|hub| f(hub.shared()))
}

/// This thread is a hub of that runtime, and is running a greenlet.
pub(crate) fn runs_in(shared: &Shared) -> bool {
    hub::with_current(|hub| hub.belongs_to(shared) && hub.context().greenlet().is_some())
        == Some(true)
}

/// This thread is a hub of that runtime.
pub(crate) fn is_hub_of(shared: &Shared) -> bool {
    hub::with_current(|hub| hub.belongs_to(shared)) == Some(true)
}

/// The greenlet that runs here has ended a stretch in which it was meant to keep its hub.
pub(crate) fn excuse_current_slice() {
    hub::with_current(|hub| hub.heartbeat().excuses.add(1));
}

#[cold]
fn push_outside(shared: &Shared, lane: &Lane, ready: Ready) {
    if shared.closing().is_raised() {
        return shutdown::cancel_outside(shared, lane, ready);
    }
    lane.inject(ready);
    if shared.closing().is_raised_after_push() {
        shutdown::clear_injector(shared, lane);
    }
}

#[cold]
fn push_later(shared: &Shared, lane: &Lane, ready: Ready, at: Instant) {
    if shared.closing().is_raised() {
        return shutdown::cancel_outside(shared, lane, ready);
    }
    let own = hub::with_current(|hub| {
        ptr::eq(hub.lane(), lane).then(|| {
            hub.context().set_awaited(true);
            hub.remote().index()
        })
    });
    let own = own.flatten();
    let driver = lane.remotes()[own.unwrap_or(0)].driver();
    let greenlet = Greenlet::of(&ready);
    let start = Fire::Start(ready);
    let key = match own {
        Some(_) => driver.timers().arm(at, start),
        None => driver.arm_remote(at, start),
    };
    greenlet
        .header()
        .delay()
        .set(release_from_timer(shared, lane, driver, key));
    if shared.closing().is_raised_after_push() {
        shutdown::clear_timers(shared, lane, driver);
    }
}

/// What a kill calls, to take a greenlet out of its timer at once rather than when its time has come. Until then the
/// greenlet keeps the runtime's shared state.
fn release_from_timer(
    shared: &Shared,
    lane: &Lane,
    driver: &Arc<Driver>,
    key: TimerKey,
) -> Box<dyn FnOnce() + Send> {
    let (shared, kind, driver) = (shared.arc(), lane.kind(), Arc::clone(driver));
    Box::new(move || {
        let Some(shared) = shared else { return };
        if let (Some(Fire::Start(ready)), Some(lane)) =
            (driver.timers().cancel(key), shared.lane(kind))
        {
            shutdown::cancel_outside(&shared, lane, ready);
        }
    })
}

/// The last attempt to map a stack failed: says so now, rather than when the greenlet is to begin.
#[cold]
pub(super) fn try_for_a_stack(shared: &Shared, size: StackSize) -> io::Result<()> {
    let try_in = |cache: &mut StackCache| cache.take(size).map(|stack| cache.put(stack));
    match hub::with_current(|hub| {
        hub.belongs_to(shared)
            .then(|| hub.core(|core| try_in(&mut core.stacks)))
    }) {
        Some(Some(tried)) => tried,
        _ => try_in(&mut StackCache::new(Arc::clone(shared.stacks()))),
    }
}
