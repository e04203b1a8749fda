//! A hub: the part of a worker thread's loop that the greenlets on it reach, too.
//!
//! State is split by owner: [`Core`] is the hub thread's alone, `Remote` and `Lane` are for everyone.

use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::heartbeat::Heartbeat;
use super::lane::{Lane, LaneKind};
use super::notes::Notes;
use super::owned::Owned;
use super::queue::Queue;
use super::remote::Remote;
use super::shared::Shared;
use super::stackless::Stackless;
use super::watch::Watch;
use crate::context::{self, Context};
use crate::driver::Events;
use crate::fiber::StackCache;
use crate::greenlet::{GreenletId, IdBlock, Moment, Ready};
use crate::primitive::sync::Arc;

/// How often in a row the next slot may be used before the queues have their turn: two greenlets that wake each other
/// for ever starve nobody.
const NEXT_IN_A_ROW: u32 = 16;

/// Every so many turns at the latest a busy hub serves its poller, its timers and the injector. The number is Go's and
/// tokio's: prime, so that it falls into step with nothing.
const MAINTENANCE_TURNS: u32 = 61;

/// How many turns a hub takes before it knows how long its turns are.
const FIRST_MAINTENANCE: u32 = 4;

/// And sooner, if the turns are long: so that timers and sockets wait for about so long and a slice.
const MAINTENANCE_INTERVAL: Duration = Duration::from_micros(500);

/// With so many started greenlets a hub is crowded: it begins the youngest fresh ones first, to need fewer stacks.
const CROWD: u64 = 1024;

/// A running hub. Lives on its thread's stack, at one address, and is found again through the thread's [`Context`].
#[repr(C)]
pub(crate) struct Hub {
    /// First, so that a pointer to the context is one to the hub.
    context: Context,
    /// Both point into `shared`.
    lane: NonNull<Lane>,
    remote: NonNull<Remote>,
    shared: Arc<Shared>,
    core: UnsafeCell<Core>,
}

/// What the hub's thread alone touches: the loop between slices, and the running greenlet within one.
#[derive(Debug)]
pub(crate) struct Core {
    /// Settled greenlets that are ready: the next one, those that were woken, and those that have yielded.
    backlog: Backlog,
    /// How often in a row the next slot was used.
    next_in_a_row: u32,
    /// Whose turn it is to go first.
    turn: Turn,
    /// Fresh greenlets, and migrating ones that are ready: what others may steal.
    stealable: Queue,
    /// Fresh greenlets for which there is no stack at present.
    pub(crate) stackless: Stackless,
    /// Settled greenlets that have started and not ended.
    pub(crate) owned: Owned,
    pub(crate) stacks: StackCache,
    ids: IdBlock,
    /// `None` while the hub is in its poller.
    pub(crate) events: Option<Events>,
    /// What it remembers of the hubs that it looks after.
    pub(crate) watch: Watch,
    /// What it knows of the hubs that it may rob.
    pub(crate) notes: Notes,
    /// How many rounds it searches before it goes idle; grows while searching pays.
    pub(crate) patience: u32,
    /// How many naps it has taken since it last stole something.
    pub(crate) naps: u32,
    /// How many of the last ones ended while no other hub was awake.
    pub(crate) quiet_naps: u32,
    /// It counts as searching.
    pub(crate) searching: bool,
    /// It has been idle since it last ran a greenlet.
    pub(crate) was_idle: bool,
    /// It has taken its poller's events a moment ago, when it was blocked.
    pub(crate) has_polled: bool,
    /// An event has ended its last block.
    pub(crate) woken_by_event: bool,
    /// Turns of the loop until the next maintenance.
    turns_left: u32,
    /// Turns between two.
    turns_between: u32,
    /// When the last one was.
    maintained: Instant,
    /// It has killed what it owns, because its runtime is being shut down.
    pub(crate) closed: bool,
    random: u64,
}

impl Core {
    /// The next greenlet to run here, and its queue's turn.
    #[inline]
    fn take_ready(&mut self) -> Option<Ready> {
        if self.next_in_a_row < NEXT_IN_A_ROW {
            if let Some(ready) = self.backlog.take_next() {
                self.next_in_a_row += 1;
                return Some(ready);
            }
        } else if let Some(ready) = self.backlog.take_next() {
            self.backlog.push_woken(ready);
        }
        self.next_in_a_row = 0;
        self.turn = self.turn.next();
        match self.turn {
            Turn::Woken => self
                .take_woken()
                .or_else(|| self.take_stealable())
                .or_else(|| self.take_yielded()),
            Turn::Stealable => self
                .take_stealable()
                .or_else(|| self.take_yielded())
                .or_else(|| self.take_woken()),
            Turn::Yielded => self
                .take_yielded()
                .or_else(|| self.take_woken())
                .or_else(|| self.take_stealable()),
        }
    }

    #[inline]
    fn take_woken(&mut self) -> Option<Ready> {
        self.backlog.take_woken()
    }

    #[inline]
    fn take_stealable(&mut self) -> Option<Ready> {
        self.stealable.pop()
    }

    #[inline]
    fn take_yielded(&mut self) -> Option<Ready> {
        self.backlog.take_yielded()
    }

    /// How many settled greenlets are ready.
    fn settled_len(&self) -> usize {
        self.backlog.len()
    }
}

/// The queues take turns.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Woken,
    Stealable,
    Yielded,
}

impl Turn {
    fn next(self) -> Turn {
        match self {
            Turn::Woken => Turn::Stealable,
            Turn::Stealable => Turn::Yielded,
            Turn::Yielded => Turn::Woken,
        }
    }
}

impl Hub {
    /// The hub of `lane` that owns `queue`.
    pub(crate) fn new(shared: Arc<Shared>, kind: LaneKind, index: usize, queue: Queue) -> Hub {
        let lane = shared
            .lane(kind)
            .expect("a hub's lane has been made before it");
        let hubs = lane.remotes().len();
        let remote = &lane.remotes()[index];
        let driver = Arc::clone(remote.driver());
        let backlog = Arc::clone(remote.backlog());
        let (lane, remote) = (NonNull::from(lane), NonNull::from(remote));
        let stacks = StackCache::new(Arc::clone(shared.stacks()));
        Hub {
            context: Context::new(driver, remote),
            lane,
            remote,
            core: UnsafeCell::new(Core {
                backlog: Backlog::new(backlog),
                next_in_a_row: 0,
                turn: Turn::Woken,
                stealable: queue,
                stackless: Stackless::default(),
                owned: Owned::default(),
                stacks,
                ids: IdBlock::empty(),
                events: Some(Events::new()),
                watch: Watch::new(hubs),
                notes: Notes::new(hubs),
                patience: 0,
                naps: 0,
                quiet_naps: 0,
                searching: false,
                was_idle: true,
                has_polled: false,
                woken_by_event: false,
                turns_left: FIRST_MAINTENANCE,
                turns_between: FIRST_MAINTENANCE,
                maintained: Instant::now(),
                closed: false,
                random: 0x9E37_79B9_7F4A_7C15
                    ^ (index as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03),
            }),
            shared,
        }
    }

    /// Applies `f` to the core. `f` must neither suspend nor run foreign code, which could come back here.
    #[inline]
    pub(crate) fn core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        // SAFETY: the core is this thread's alone (a hub is neither `Send` nor `Sync`, and is found through the thread's
        // own context), and no other `f` is under way.
        f(unsafe { &mut *self.core.get() })
    }

    /// What the layers below know of this hub.
    #[inline]
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Its runtime.
    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its lane.
    #[inline]
    pub(crate) fn lane(&self) -> &Lane {
        // SAFETY: a lane is at one place within `Shared`, which this hub holds.
        unsafe { self.lane.as_ref() }
    }

    /// Itself, as others see it.
    #[inline]
    pub(crate) fn remote(&self) -> &Remote {
        // SAFETY: as for the lane, whose remotes never change.
        unsafe { self.remote.as_ref() }
    }

    /// Its counters.
    #[inline]
    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        self.remote().heartbeat()
    }

    /// Counts a turn of the loop: `true` when maintenance is due.
    #[inline]
    pub(crate) fn is_maintenance_due(&self) -> bool {
        self.core(|core| {
            core.turns_left -= 1;
            core.turns_left == 0
        })
    }

    /// Maintenance begins: decides, by how long the turns since the last one took, after how many it is due again.
    pub(crate) fn pace_maintenance(&self, now: Instant) {
        self.core(|core| {
            let turns = (core.turns_between - core.turns_left.min(core.turns_between)).max(1);
            let elapsed = now - core.maintained;
            self.context
                .set_moment(self.context.moment().after(elapsed));
            let nanos = elapsed.as_nanos().max(1);
            let fitting = MAINTENANCE_INTERVAL.as_nanos() * u128::from(turns) / nanos;
            // A few short turns among long ones must not make it careless.
            let most = MAINTENANCE_TURNS.min(core.turns_between * 2);
            let fitting = fitting.clamp(1, u128::from(most)) as u32;
            core.turns_between = fitting;
            core.turns_left = fitting;
            core.maintained = now;
        });
    }

    /// The last slice was long: maintenance is due at the next turn.
    #[cold]
    pub(crate) fn hasten_maintenance(&self) {
        self.core(|core| core.turns_left = 1);
    }

    /// The hub has been blocked: that time does not count.
    pub(crate) fn restart_pace(&self, now: Instant) {
        self.context.set_moment(Moment::of(now));
        self.core(|core| core.maintained = now);
    }

    /// The next greenlet to run here, without a look beyond the hub's own queues.
    #[inline]
    pub(crate) fn take_ready(&self) -> Option<Ready> {
        if self.remote().inbox().has_nodes() {
            self.take_inbox();
        }
        self.core(Core::take_ready)
    }

    /// Moves what other threads have delivered to the queue of the woken, oldest first.
    pub(crate) fn take_inbox(&self) {
        let mut taken = 0;
        self.core(|core| {
            for header in self.remote().inbox().take() {
                taken += 1;
                // SAFETY: it was a `Ready` when it was delivered.
                core.backlog.push_woken(unsafe { Ready::from_raw(header) });
            }
        });
        self.heartbeat().taken_in.add(taken);
    }

    /// Queues a settled greenlet that was woken on this thread.
    #[inline]
    pub(crate) fn push_woken(&self, ready: Ready) {
        self.core(|core| {
            if let Some(before) = core.backlog.replace_next(ready) {
                core.backlog.push_woken(before);
            }
        });
    }

    /// Queues a settled greenlet behind the others that were woken.
    #[inline]
    pub(crate) fn push_back(&self, ready: Ready) {
        self.core(|core| core.backlog.push_woken(ready));
    }

    /// Queues a settled greenlet that has yielded.
    #[inline]
    pub(crate) fn push_yielded(&self, ready: Ready) {
        self.core(|core| core.backlog.push_yielded(ready));
    }

    /// Queues a fresh greenlet that a greenlet of this hub has spawned.
    #[inline]
    pub(crate) fn push_fresh(&self, ready: Ready) {
        let heart = self.heartbeat();
        heart.spawned.add(1);
        let crowd = heart.started.get().saturating_sub(heart.finished.get());
        if crowd < CROWD {
            self.core(|core| core.stealable.push(ready));
        } else {
            self.core(|core| core.stealable.push_first(ready));
        }
        self.notify_of_push();
    }

    /// Queues a greenlet that any hub of the lane may take.
    #[inline]
    pub(crate) fn push_stealable(&self, ready: Ready) {
        self.core(|core| core.stealable.push(ready));
        self.notify_of_push();
    }

    /// Notifies a hub of what can be stolen here, if none is on the look-out.
    #[inline]
    pub(crate) fn notify_of_push(&self) {
        if self.lane().notify_one(|| self.has_several_stealable()) {
            self.heartbeat().notifies.add(1);
        }
    }

    /// Queues a migrating greenlet that has only yielded, or that the hub itself has woken, for an event or a timer. Nobody is
    /// notified, as this hub is about to take from the queue: if there are others to take, its maintenance sees to that, and
    /// if it gets stuck first, whoever looks after it.
    #[inline]
    pub(crate) fn push_quietly(&self, ready: Ready) {
        self.core(|core| core.stealable.push(ready));
    }

    /// Applies `f` to the queue that others steal from.
    pub(crate) fn with_queue<R>(&self, f: impl FnOnce(&Queue) -> R) -> R {
        self.core(|core| f(&core.stealable))
    }

    /// Shows to `f` whatever is queued here; see [`Queue::for_each`]. `f` must not run foreign code.
    pub(crate) fn for_each_queued(&self, mut f: impl FnMut(&Ready)) {
        self.core(|core| {
            core.backlog.for_each(&mut f);
            core.stackless.iter().for_each(&mut f);
            core.stealable.for_each(&mut f);
        });
    }

    /// Nothing is queued here.
    pub(crate) fn has_nothing_ready(&self) -> bool {
        self.core(|core| core.settled_len() == 0 && core.stealable.len() == 0)
            && !self.remote().inbox().has_nodes()
    }

    /// There is enough here for others to take some.
    pub(crate) fn has_several_stealable(&self) -> bool {
        self.core(|core| core.stealable.len() > 1)
    }

    /// How many settled greenlets are ready here.
    pub(crate) fn settled_len(&self) -> usize {
        self.core(|core| core.settled_len())
    }

    /// A number for a greenlet that is spawned here.
    #[inline]
    pub(crate) fn take_id(&self) -> GreenletId {
        self.core(|core| core.ids.take())
    }

    /// A pseudo-random number below `bound` (xorshift64, Marsaglia 2003).
    pub(crate) fn random_below(&self, bound: usize) -> usize {
        self.core(|core| {
            core.random ^= core.random << 13;
            core.random ^= core.random >> 7;
            core.random ^= core.random << 17;
            // The high half multiplied down, not a remainder: no division (Lemire 2016).
            (((core.random >> 32) * bound as u64) >> 32) as usize
        })
    }

    /// This is the runtime that `shared` belongs to.
    pub(crate) fn belongs_to(&self, shared: &Shared) -> bool {
        ptr::eq(&raw const *self.shared, shared)
    }
}

/// Applies `f` to the hub of this thread, if it has one. `f` must not suspend.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Hub) -> R) -> Option<R> {
    with_current_or(|_| true, |hub| hub.map(f))
}

/// Calls `f` with the hub of this thread if it has one that `wanted` approves of, otherwise with `None`. Neither may
/// suspend.
#[inline(always)]
pub(crate) fn with_current_or<R>(
    wanted: impl FnOnce(&Hub) -> bool,
    f: impl FnOnce(Option<&Hub>) -> R,
) -> R {
    // SAFETY: only hubs set a thread's context, and a hub begins with it (`repr(C)`); it is valid until the hub resets it,
    // and not used beyond a suspension.
    let hub = unsafe { context::current().cast::<Hub>().as_ref() };
    f(hub.filter(|hub| wanted(hub)))
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("lane", &self.lane().kind())
            .field("index", &self.remote().index())
            .finish_non_exhaustive()
    }
}
