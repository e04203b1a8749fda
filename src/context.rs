//! What runs on this OS thread: the crate's only thread-locals, and the only way to read them.
//!
//! A greenlet may be resumed on another thread than the one that it was suspended on. The compiler does not know that:
//! it may compute a thread-local's address once and use it on both sides of a suspension. So the current hub is a plain
//! pointer *value*, read by one function that is never inlined and whose result passes through an `asm!` block (without
//! that the compiler may still prove the function pure, and merge two calls). Nothing keeps what it returned across a
//! suspension.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::Instant;

use crate::driver::Driver;
use crate::fiber::StackBounds;
use crate::fiber::overflow::Running;
use crate::greenlet::{
    Failure, Greenlet, GreenletId, Header, Interrupts, Locals, Moment, Schedule,
};
use crate::primitive::sync::Arc;
use crate::primitive::thread::Parker;

thread_local! {
    static CURRENT: Cell<*const Context> = const { Cell::new(ptr::null()) };
    /// What a plain OS thread waits with.
    static PARKER: Parker = Parker::new();
    /// The time limits of a plain OS thread.
    static THREAD_INTERRUPTS: Interrupts = const { Interrupts::none() };
    /// The `greenlet_local!` values of a plain OS thread.
    static THREAD_LOCALS: UnsafeCell<ThreadLocals> = const { UnsafeCell::new(ThreadLocals(Locals::new())) };
    /// This thread's number, once somebody has asked for it. It needs no destructor: so it can be asked for until the very end.
    static NUMBER: Cell<Option<GreenletId>> = const { Cell::new(None) };
    /// This thread is there for offloaded calls.
    static RUNS_JOBS: Cell<bool> = const { Cell::new(false) };
}

/// What the lower half of the house may know of the hub that runs on this thread. Used by that thread alone. A hub
/// begins with its context, so that the scheduler can find the one from the other.
pub(crate) struct Context {
    greenlet: Cell<Option<NonNull<Header>>>,
    /// How many checkpoints this slice may pass before it looks at the clock.
    calls_before_clock: Cell<u32>,
    /// What this slice's checkpoints know; `None` before the first.
    pace: Cell<Option<Pace>>,
    /// The hub should look around when this slice ends.
    overdue: Cell<bool>,
    /// What time it was when the hub last looked at the clock.
    moment: Cell<Moment>,
    /// Somebody may wait for a timer or a socket of this hub: as of its last look around, or somebody has come since.
    awaited: Cell<bool>,
    driver: Arc<Driver>,
    /// What the greenlets that are settled on this hub are scheduled with.
    home: NonNull<dyn Schedule>,
}

/// How fast a slice has been coming to its checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The slice's first checkpoint.
    pub(crate) began: Instant,
    /// The last one that looked at the clock.
    pub(crate) looked: Instant,
    /// How many were to pass between that one and the next look.
    pub(crate) calls: u32,
}

impl Context {
    /// For a hub that waits with `driver`, and whose greenlets are scheduled with `home`.
    pub(crate) fn new(driver: Arc<Driver>, home: NonNull<dyn Schedule>) -> Context {
        Context {
            greenlet: Cell::new(None),
            calls_before_clock: Cell::new(0),
            pace: Cell::new(None),
            overdue: Cell::new(false),
            moment: Cell::new(Moment::of(Instant::now())),
            awaited: Cell::new(false),
            driver,
            home,
        }
    }

    /// The greenlet whose slice this is; `None` while the hub itself runs.
    #[inline]
    pub(crate) fn greenlet(&self) -> Option<NonNull<Header>> {
        self.greenlet.get()
    }

    /// The hub: a slice begins or ends.
    #[inline]
    pub(crate) fn set_greenlet(&self, greenlet: Option<NonNull<Header>>) {
        self.greenlet.set(greenlet);
        self.calls_before_clock.set(0);
        self.pace.set(None);
    }

    /// How many checkpoints this slice may still pass without a look at the clock.
    #[inline]
    pub(crate) fn calls_before_clock(&self) -> u32 {
        self.calls_before_clock.get()
    }

    /// Sets that number.
    #[inline]
    pub(crate) fn set_calls_before_clock(&self, calls: u32) {
        self.calls_before_clock.set(calls);
    }

    /// About what time it is: see [`Moment`].
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        self.moment.get()
    }

    /// The hub: it has looked at the clock.
    #[inline]
    pub(crate) fn set_moment(&self, now: Moment) {
        self.moment.set(now);
    }

    /// Somebody may wait for a timer or a socket of this hub.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// Sets whether anybody may.
    pub(crate) fn set_awaited(&self, awaited: bool) {
        self.awaited.set(awaited);
    }

    /// The greenlet is about to yield, and knows that the hub should look around next: this slice has been long, or there
    /// were many since it last did.
    pub(crate) fn set_overdue(&self) {
        self.overdue.set(true);
    }

    /// The hub: the greenlet that has just yielded knew that.
    #[inline]
    pub(crate) fn take_overdue(&self) -> bool {
        self.overdue.get() && self.overdue.replace(false)
    }

    /// What this slice's checkpoints know.
    pub(crate) fn pace(&self) -> Option<Pace> {
        self.pace.get()
    }

    /// Sets what they know.
    pub(crate) fn set_pace(&self, pace: Pace) {
        self.pace.set(Some(pace));
    }

    /// What the greenlets that are settled here are scheduled with.
    pub(crate) fn home(&self) -> NonNull<dyn Schedule> {
        self.home
    }

    /// The greenlet has started on this hub, and can run nowhere else.
    pub(crate) fn is_home_of(&self, greenlet: &Greenlet) -> bool {
        greenlet
            .settled_on()
            .is_some_and(|home| ptr::addr_eq(home.as_ptr(), self.home.as_ptr()))
    }

    /// The hub's poller and timers.
    #[inline]
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("greenlet", &self.greenlet)
            .finish_non_exhaustive()
    }
}

/// The context of the hub that runs on this thread, or null. Good until the next suspension.
#[inline(never)]
pub(crate) fn current() -> *const Context {
    // `try_with`: a destructor of another thread-local may ask when this thread is nearly gone.
    let mut context = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: the block is empty. It may, as far as the compiler knows, read memory and change the pointer.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) context, options(nostack, preserves_flags)) };
    context
}

/// The hub thread: from now on `context` is current, or none is.
///
/// # Safety
///
/// `context` must stay valid, at this address, until this is called again on the same thread.
pub(crate) unsafe fn set_current(context: *const Context) {
    CURRENT.with(|current| current.set(context));
}

/// Applies `f` to this thread's context. `f` must not suspend.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Context) -> R) -> Option<R> {
    // SAFETY: the pointer is null or valid (`set_current`), and `f` does not suspend, so it stays so.
    unsafe { current().as_ref() }.map(f)
}

/// The greenlet that is running here, if it is one.
#[inline]
pub(crate) fn greenlet() -> Option<NonNull<Header>> {
    with(Context::greenlet).flatten()
}

/// A handle to the greenlet that is running here, if it is one.
pub(crate) fn greenlet_handle() -> Option<Greenlet> {
    // SAFETY: a greenlet that runs is alive.
    greenlet().map(|header| unsafe { Greenlet::from_ref(header) })
}

/// Applies `f` to the driver of the hub that runs here, which is somebody's who is about to wait. `f` must not suspend.
pub(crate) fn with_driver<R>(f: impl FnOnce(&Arc<Driver>) -> R) -> Option<R> {
    with(|context| {
        context.set_awaited(true);
        f(context.driver())
    })
}

/// What this thread runs, for the handler of stack overflows. Async-signal-safe on every thread: the thread-local needs
/// no initialisation, and of the greenlet only what never changes is read.
pub(crate) fn running() -> Option<Running> {
    // SAFETY: the greenlet runs, so it and its stack are there; the hub that owns its fiber is suspended in the resume.
    let header = unsafe { greenlet()?.as_ref() };
    // SAFETY: as above; the bounds do not change.
    let bounds = unsafe { header.fiber() }.as_ref()?.bounds();
    // SAFETY: the handler that asks ends the process, or forgets the name, before the greenlet can end.
    let name = header.name().map(|name| unsafe { &*ptr::from_ref(name) });
    Some(Running {
        bounds,
        name,
        spawned_at: header.spawned_at(),
        id: header.id().as_u64().get(),
    })
}

/// Where the stack of the greenlet lies that is running here, for the handler that copies a piece of it. As
/// async-signal-safe as [`running`], and for the same reasons.
pub(crate) fn running_bounds() -> Option<StackBounds> {
    // SAFETY: the greenlet runs, so it and its stack are there; the hub that owns its fiber is suspended in the resume.
    let fiber = unsafe { greenlet()?.as_ref().fiber() }.as_ref()?;
    Some(fiber.bounds())
}

/// Applies `f` to the locals of the greenlet that is running here or, outside, of the OS thread. `None` while the
/// thread is being torn down. `f` must not run foreign code.
pub(crate) fn with_locals<R>(f: impl FnOnce(&mut Locals) -> R) -> Option<R> {
    match greenlet() {
        // SAFETY: it runs, here, and is asking for its own.
        Some(header) => Some(unsafe { header.as_ref().with_locals(f) }),
        // SAFETY: the map is this thread's own, and `f` does not come back here.
        None => THREAD_LOCALS
            .try_with(|locals| f(unsafe { &mut (*locals.get()).0 }))
            .ok(),
    }
}

/// Drops the locals of the greenlet that is running here, as its end does.
///
/// # Errors
///
/// How the first destructor that unwound did so; all are dropped.
pub(crate) fn drop_locals() -> Result<(), Failure> {
    match greenlet() {
        // SAFETY: it runs, and is asking for its own.
        Some(header) => unsafe { header.as_ref() }.drop_locals(),
        None => Ok(()),
    }
}

/// Applies `f` to what this OS thread waits with; `None` while the thread is being torn down. `f` must not run foreign
/// code.
pub(crate) fn with_parker<R>(f: impl FnOnce(&Parker) -> R) -> Option<R> {
    PARKER.try_with(f).ok()
}

/// Applies `f` to the time limits and shields of the greenlet that is running here or, outside, of the OS thread. `None`
/// while the thread is being torn down. `f` must not suspend.
pub(crate) fn with_interrupts<R>(f: impl FnOnce(&Interrupts) -> R) -> Option<R> {
    match greenlet() {
        // SAFETY: it runs, so it is alive.
        Some(header) => Some(f(unsafe { header.as_ref() }.interrupts())),
        None => THREAD_INTERRUPTS.try_with(f).ok(),
    }
}

/// This OS thread's number. No other thread has or will have it, nor any greenlet: they are counted together.
pub(crate) fn thread_number() -> GreenletId {
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let own = GreenletId::single();
            number.set(Some(own));
            own
        })
    })
}

/// From now on this thread is there for offloaded calls.
pub(crate) fn set_runs_jobs() {
    RUNS_JOBS.with(|runs| runs.set(true));
}

/// The caller is an offloaded call.
pub(crate) fn runs_jobs() -> bool {
    RUNS_JOBS.try_with(Cell::get).unwrap_or(false)
}

/// Dropped with its thread, value by value, so that no borrow of the map is held while a destructor runs.
struct ThreadLocals(Locals);

impl Drop for ThreadLocals {
    fn drop(&mut self) {
        while let Some(value) = self.0.pop() {
            drop(value);
        }
    }
}
