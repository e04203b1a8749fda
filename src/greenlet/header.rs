//! What is known of a greenlet whatever it computes, and the right to run it.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::Waker;

use super::delay::Delay;
use super::discard::discard;
use super::failure::Failure;
use super::hopeless::Hopeless;
use super::id::GreenletId;
use super::interrupts::Interrupts;
use super::join_cell::JoinCell;
use super::local::Locals;
use super::spawn::Spawn;
use super::state::{Phase, State};
use super::wait_info::WaitInfo;
use crate::fiber::{Fiber, StackSize, Suspender};
use crate::primitive::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// What is known of a greenlet whatever it computes. Who may touch what, and when:
///
/// | fields | who |
/// | --- | --- |
/// | `state`, `references`, `join`, `wait_info`, `delay` | anyone: they synchronise themselves |
/// | `id`, `name`, `spawned_at`, `stack_size`, `migrating`, `vtable` | anyone: they never change |
/// | `link` | whoever queues or takes it in an inbox, that is, the holder of its [`Ready`] |
/// | `home` | written by the hub at the first slice, before the greenlet can park; read by whoever unparks it |
/// | `fiber`, `owned` | the hub that runs it (for `owned` of a migrating one: under its lane's lock) |
/// | `suspender`, `locals`, `interrupts` | the greenlet itself, while it runs |
/// | `may_block` | written by the greenlet itself, while it runs; read by anyone |
/// | `spare` | the holder of its [`Ready`]: the greenlet while it runs, its hub, whoever has moved it out of PARKED |
#[repr(C)]
pub(crate) struct Header {
    state: State,
    /// `Greenlet`s, plus one for the [`Ready`], plus the spare one.
    references: AtomicUsize,
    /// A counted reference is at hand for the greenlet's next wait: it goes to whoever will wake it, and comes back with
    /// the wake-up, so that most waits count nothing.
    spare: Cell<bool>,
    vtable: &'static VTable,
    join: JoinCell<Waker>,
    link: AtomicPtr<Header>,
    home: Cell<NonNull<dyn Schedule>>,
    delay: Delay,
    fiber: UnsafeCell<Option<Fiber>>,
    owned: OwnedLinks,
    suspender: Cell<*const Suspender>,
    locals: UnsafeCell<Locals>,
    interrupts: Interrupts,
    migrating: bool,
    id: GreenletId,
    name: Option<Box<str>>,
    spawned_at: &'static Location<'static>,
    stack_size: StackSize,
    wait_info: WaitInfo,
    /// How many stretches in which it is meant to block it is in.
    may_block: AtomicU32,
}

/// Neighbours in the list of started greenlets that a hub or a lane owns.
#[derive(Debug)]
pub(crate) struct OwnedLinks {
    pub(crate) previous: Cell<Option<NonNull<Header>>>,
    pub(crate) next: Cell<Option<NonNull<Header>>>,
}

/// What depends on the closure's and the output's types. All take a header that begins a body of those types.
pub(super) struct VTable {
    /// Runs the closure and leaves the output, or drops it if nobody can want it.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the closure unrun and leaves the failure.
    pub(super) cancel: unsafe fn(NonNull<Header>, Failure),
    /// Moves the output, a `Result<T, Failure>`, to the given place.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the output, wherever it may have got to.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Frees the allocation.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// Takes a greenlet that has become ready. Implemented by the scheduler: by a hub for the greenlets that are settled
/// on it, by a lane for those that any of its hubs may run.
///
/// # Safety
///
/// An implementor must stay valid for as long as any greenlet that was given it as its scheduler has not ended, and
/// `schedule` must itself keep alive what it touches: the greenlet may run and end before `schedule` returns.
pub(crate) unsafe trait Schedule: Sync {
    /// Queues the greenlet for its next slice. Called from any thread.
    fn schedule(&self, ready: Ready);

    /// All of its greenlets are to end: none may refuse. Called by a greenlet that is scheduled here, while it runs.
    fn is_closing(&self) -> bool;

    /// A greenlet that runs on the hub of this thread is about to wait like that, if the holder is indeed settled on this hub: tells
    /// whoever watches, else stderr.
    fn tell_hopeless(&self, hopeless: &Hopeless);
}

impl Header {
    /// The header of a fresh greenlet, with three references: the scheduler's, the join handle's, and the spare one.
    #[inline]
    pub(super) fn new(
        spawn: Spawn,
        home: NonNull<dyn Schedule>,
        vtable: &'static VTable,
    ) -> Header {
        Header {
            state: State::fresh(spawn.pinned),
            references: AtomicUsize::new(3),
            spare: Cell::new(true),
            vtable,
            join: JoinCell::new(),
            link: AtomicPtr::new(ptr::null_mut()),
            home: Cell::new(home),
            delay: Delay::none(),
            fiber: UnsafeCell::new(None),
            owned: OwnedLinks {
                previous: Cell::new(None),
                next: Cell::new(None),
            },
            suspender: Cell::new(ptr::null()),
            locals: UnsafeCell::new(Locals::new()),
            interrupts: Interrupts::none(),
            migrating: spawn.migrating,
            id: spawn.id,
            name: spawn.name,
            spawned_at: spawn.spawned_at,
            stack_size: spawn.stack_size,
            wait_info: WaitInfo::new(),
            may_block: AtomicU32::new(0),
        }
    }

    /// What depends on its types.
    pub(super) fn vtable(&self) -> &'static VTable {
        self.vtable
    }

    /// Its end, and whoever waits for it.
    #[inline]
    pub(super) fn join_cell(&self) -> &JoinCell<Waker> {
        &self.join
    }

    /// Where it is, for those who ask from outside: one that has left its output has ended for them, though its hub has yet to
    /// clear up after it.
    pub(crate) fn phase(&self) -> Phase {
        match self.state.phase() {
            Phase::Active if self.join.is_complete() => Phase::Done,
            phase => phase,
        }
    }

    /// Where it is in its life.
    #[inline]
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Its number.
    pub(crate) fn id(&self) -> GreenletId {
        self.id
    }

    /// Its name.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where its name lies. This may be asked of a copy of the header, whose name may be gone, so no reference to it is made.
    pub(super) fn name_place(&self) -> Option<*const str> {
        self.name.as_ref().map(|name| &raw const **name)
    }

    /// Who spawned it.
    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// How large a stack it asks for.
    pub(crate) fn stack_size(&self) -> StackSize {
        self.stack_size
    }

    /// Any hub of its lane may run it.
    #[inline]
    pub(crate) fn is_migrating(&self) -> bool {
        self.migrating
    }

    /// For what it waits.
    #[inline]
    pub(crate) fn wait_info(&self) -> &WaitInfo {
        &self.wait_info
    }

    /// What holds it back, if it is to begin later.
    #[inline]
    pub(crate) fn delay(&self) -> &Delay {
        &self.delay
    }

    /// Its place in an inbox.
    pub(crate) fn link(&self) -> &AtomicPtr<Header> {
        &self.link
    }

    /// Its place among the started greenlets of its owner.
    pub(crate) fn owned(&self) -> &OwnedLinks {
        &self.owned
    }

    /// Whom it is scheduled with.
    #[inline]
    pub(crate) fn home(&self) -> NonNull<dyn Schedule> {
        self.home.get()
    }

    /// The hub, at the first slice: from now on it is scheduled here.
    ///
    /// # Safety
    ///
    /// Only before the greenlet first parks; `home` must be valid as [`Schedule`] demands.
    pub(crate) unsafe fn settle(&self, home: NonNull<dyn Schedule>) {
        self.home.set(home);
    }

    /// The hub: its stack, if it has one.
    ///
    /// # Safety
    ///
    /// Only the hub that holds its [`Ready`], or runs it, may ask.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the field's owner is the hub, as the struct's table says"
    )]
    pub(crate) unsafe fn fiber(&self) -> &mut Option<Fiber> {
        // SAFETY: the caller is the one hub that may touch it.
        unsafe { &mut *self.fiber.get() }
    }

    /// Where the stack is kept of a greenlet whose header is at `address` and may be gone, for whoever copies memory through
    /// the system: not to be followed.
    pub(crate) fn fiber_address_in(address: usize) -> *const Option<Fiber> {
        ptr::without_provenance(address + std::mem::offset_of!(Header, fiber))
    }

    /// The greenlet itself: runs the closure. Called once, on its own stack.
    ///
    /// # Safety
    ///
    /// `header` must be alive, ACTIVE, and run by the caller for the first time.
    pub(crate) unsafe fn run(header: NonNull<Header>, suspender: &Suspender) {
        // SAFETY: alive; the vtable fits the body by construction.
        unsafe {
            header.as_ref().suspender.set(ptr::from_ref(suspender));
            (header.as_ref().vtable.run)(header);
        }
    }

    /// The greenlet itself: the switch back to its hub.
    ///
    /// # Safety
    ///
    /// Only the greenlet itself, while it runs.
    #[inline]
    pub(crate) unsafe fn suspender(&self) -> &Suspender {
        // SAFETY: set at the first slice; it lives at the root of the stack that the caller runs on.
        unsafe { &*self.suspender.get() }
    }

    /// Anyone: it is in a stretch in which it is meant to block, that is, in `allow_blocking`.
    pub(crate) fn may_block(&self) -> bool {
        // Acquire pairs with the release in `leave_blocking`: whoever finds the greenlet out of it sees what it did before.
        self.may_block.load(Ordering::Acquire) > 0
    }

    /// The greenlet itself: it enters such a stretch.
    pub(crate) fn enter_blocking(&self) {
        self.may_block.fetch_add(1, Ordering::Relaxed);
    }

    /// The greenlet itself: it leaves it again.
    pub(crate) fn leave_blocking(&self) {
        self.may_block.fetch_sub(1, Ordering::Release);
    }

    /// The greenlet itself: applies `f` to its locals. `f` must not run foreign code, which could come back here.
    ///
    /// # Safety
    ///
    /// Only the greenlet itself, while it runs.
    pub(crate) unsafe fn with_locals<R>(&self, f: impl FnOnce(&mut Locals) -> R) -> R {
        // SAFETY: nobody else has it, and `f` does not come back here.
        f(unsafe { &mut *self.locals.get() })
    }

    /// Its locals are dropped one by one, whatever happens; a destructor may use others, or make new ones. Returns how the
    /// first that unwound did so.
    #[inline]
    pub(crate) fn drop_locals(&self) -> Result<(), Failure> {
        let mut result = Ok(());
        // SAFETY: called by `run`, on the greenlet itself.
        while let Some(value) = unsafe { self.with_locals(Locals::pop) } {
            // From now on a kill must not break off a destructor that waits.
            self.shield();
            result = result.and(discard(value));
        }
        result
    }

    /// Some local has not been dropped. Asked when nobody else refers to the greenlet.
    pub(super) fn has_locals(&mut self) -> bool {
        self.locals.get_mut().has_values()
    }

    /// The greenlet itself: its time limits and shields.
    #[inline(always)]
    pub(crate) fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// The greenlet itself: one more reason not to deliver a kill or a time limit.
    pub(crate) fn shield(&self) {
        self.interrupts.raise_shield();
        self.state.shield();
    }

    /// The greenlet itself: takes one such reason back.
    pub(crate) fn unshield(&self) {
        if self.interrupts.lower_shield() {
            self.state.unshield();
        }
    }

    /// The greenlet itself: it has caught its kill, and goes on.
    pub(crate) fn refuse_kill(&self) {
        // SAFETY: the greenlet runs, so its scheduler is valid (`Schedule`'s contract).
        if !unsafe { self.home().as_ref() }.is_closing() {
            self.state.refuse_kill();
            self.interrupts.forget_kill();
        }
    }

    /// Its name and number as every message spells them.
    pub(crate) fn describe(&self) -> Description<'_> {
        Description(self)
    }

    #[inline]
    pub(super) fn add_reference(&self) {
        // Relaxed: a new reference is made from an old one, which keeps the header alive.
        let before = self.references.fetch_add(1, Ordering::Relaxed);
        assert!(
            before < usize::MAX / 2,
            "too many references to one greenlet"
        );
    }

    /// The greenlet itself, about to wait: takes the spare reference if it is at hand.
    #[inline]
    pub(super) fn take_spare(&self) -> bool {
        self.spare.replace(false)
    }

    /// Whoever has moved the greenlet out of PARKED, before it is scheduled: gives a reference back to be the spare one.
    /// `false`: there is one already.
    #[inline]
    pub(super) fn put_spare(&self) -> bool {
        !self.spare.replace(true)
    }

    /// # Safety
    ///
    /// The reference must be the caller's, and is gone afterwards.
    #[inline]
    pub(super) unsafe fn drop_reference(header: NonNull<Header>) {
        // SAFETY: as the caller says.
        unsafe { Header::drop_references(header, 1) };
    }

    /// # Safety
    ///
    /// The references must be the caller's, and are gone afterwards.
    #[inline]
    unsafe fn drop_references(header: NonNull<Header>, count: usize) {
        // SAFETY: alive by the caller's references.
        let this = unsafe { header.as_ref() };
        // Release: what this holder did comes before the freeing; acquire makes the last one see it all. Whoever finds
        // itself the only holder needs no locked instruction: nobody is left to make another reference.
        if this.references.load(Ordering::Acquire) == count
            || this.references.fetch_sub(count, Ordering::AcqRel) == count
        {
            // SAFETY: the last reference is gone.
            unsafe { (this.vtable.free)(header) };
        }
    }
}

/// The scheduler's reference to a greenlet that is ready: fresh, or to be resumed. There is one at most, so whoever
/// holds it may run the greenlet. It must be scheduled, run, or cancelled: dropped silently, the greenlet is lost
/// (and leaked), which is why nothing here drops it.
#[derive(Debug)]
#[must_use = "a ready greenlet that nobody queues is lost"]
pub(crate) struct Ready(NonNull<Header>);

// SAFETY: what moves is the right to run the greenlet. A fresh one is its `Send` closure; a pinned one and a settled one
// are only ever queued for their own hub; for a migrating one its spawner has promised that it may move.
unsafe impl Send for Ready {}

impl Ready {
    /// # Safety
    ///
    /// The caller must own the scheduler's reference, and the greenlet be in no queue.
    #[inline]
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Ready {
        Ready(header)
    }

    /// Gives the reference up without touching the greenlet.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.0
    }

    /// Where it is.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// The greenlet that is ready.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the scheduler's reference keeps it alive.
        unsafe { self.0.as_ref() }
    }

    /// Lets go of a greenlet that will not run again.
    #[inline]
    pub(crate) fn release(self) {
        let count = 1 + usize::from(self.header().take_spare());
        // SAFETY: the scheduler's reference is ours, and the spare one the holder's of the `Ready`.
        unsafe { Header::drop_references(self.0, count) };
    }

    /// Queues it with its scheduler.
    #[inline]
    pub(crate) fn schedule(self) {
        let home = self.header().home();
        // SAFETY: the greenlet has not ended, so its scheduler is valid (`Schedule`'s contract).
        unsafe { home.as_ref() }.schedule(self);
    }
}

/// How messages name a greenlet.
#[derive(Clone, Copy)]
pub(crate) struct Description<'a>(&'a Header);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "greenlet '{name}' (#{}, ", self.0.id)?,
            None => write!(f, "greenlet #{} (", self.0.id)?,
        }
        write!(f, "spawned at {})", self.0.spawned_at)
    }
}
