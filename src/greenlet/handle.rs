//! A reference to a greenlet that anyone may hold.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use super::blocked::wake_threads;
use super::failure::Failure;
use super::header::{Description, Header, Ready, Schedule};
use super::id::GreenletId;
use super::state::{Kill, Phase, Wake};
use super::wait_info::WaitBegun;

/// A handle to a greenlet, as [`std::thread::Thread`] is to a thread. Cloning it is cheap; it keeps only the greenlet's
/// header alive, neither its stack nor its value.
///
/// ```
/// let greenlet = greenhub::run(|| {
///     let child = greenhub::spawn(|| greenhub::park());
///     child.greenlet().unpark();
///     let greenlet = child.greenlet().clone();
///     child.join().unwrap();
///     greenlet
/// });
/// greenlet.unpark(); // harmless: it has ended
/// ```
pub struct Greenlet(NonNull<Header>);

// SAFETY: a handle reaches only what the header's doc opens to every thread: the state, the reference count, the join
// cell, and fields that never change.
unsafe impl Send for Greenlet {}
// SAFETY: as above.
unsafe impl Sync for Greenlet {}

impl Greenlet {
    /// Takes over one counted reference.
    ///
    /// # Safety
    ///
    /// `header` must be alive, and the reference the caller's to give.
    #[inline]
    pub(super) unsafe fn from_raw(header: NonNull<Header>) -> Greenlet {
        Greenlet(header)
    }

    /// Counts one more reference to a living header.
    ///
    /// # Safety
    ///
    /// `header` must be alive.
    #[inline]
    pub(crate) unsafe fn from_ref(header: NonNull<Header>) -> Greenlet {
        // SAFETY: the caller says that it lives.
        unsafe { header.as_ref() }.add_reference();
        Greenlet(header)
    }

    /// The calling greenlet's own, for whoever will wake it: its spare reference, if that is at hand.
    ///
    /// # Safety
    ///
    /// `header` must be the calling greenlet's.
    #[inline]
    pub(crate) unsafe fn for_waker(header: NonNull<Header>) -> Greenlet {
        // SAFETY: it runs, so it is alive.
        if unsafe { header.as_ref() }.take_spare() {
            Greenlet(header)
        } else {
            // SAFETY: as above.
            unsafe { Greenlet::from_ref(header) }
        }
    }

    /// One more reference to a greenlet that is ready.
    pub(crate) fn of(ready: &Ready) -> Greenlet {
        // SAFETY: the scheduler's reference keeps it alive.
        unsafe { Greenlet::from_ref(ready.as_ptr()) }
    }

    /// Where it is settled, if it has started and does not migrate.
    pub(crate) fn settled_on(&self) -> Option<NonNull<dyn Schedule>> {
        match self.header().state().phase() {
            // It settled before it became ACTIVE, which `phase` acquires; that never changes.
            Phase::Active | Phase::Parked if !self.header().is_migrating() => {
                Some(self.header().home())
            }
            _ => None,
        }
    }

    /// Gives the counted reference away, to be taken back with [`Greenlet::from_raw`].
    pub(super) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// Where it is.
    #[inline]
    pub(super) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a counted reference keeps the header alive.
        unsafe { self.0.as_ref() }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> GreenletId {
        self.header().id()
    }

    /// The name that [`Builder::name`](crate::Builder::name) gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.header().name()
    }

    /// The place in the source that spawned it.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.header().spawned_at()
    }

    /// Lets its current or next [`park`](crate::park) return, as [`std::thread::Thread::unpark`] does. Any number of
    /// calls before that leave one permit. Harmless when it has ended.
    pub fn unpark(&self) {
        self.act(self.header().state().unpark_with_permit());
    }

    /// Wakes it from whatever wait it is in: the wait then looks at its condition again.
    #[inline]
    pub(crate) fn wake(&self) {
        self.act(self.header().state().unpark());
    }

    /// The same, and gives the reference up: to the greenlet, as its spare one, if it was parked.
    #[inline]
    pub(super) fn wake_and_drop(self) {
        match self.header().state().unpark() {
            Wake::Schedule => {
                // Until it is scheduled it is ours alone.
                if self.header().put_spare() {
                    let header = self.into_raw();
                    // SAFETY: as in `act`.
                    unsafe { Ready::from_raw(header) }.schedule();
                } else {
                    self.act(Wake::Schedule);
                }
            }
            wake => self.act(wake),
        }
    }

    #[inline]
    fn act(&self, wake: Wake) {
        match wake {
            // SAFETY: this call has moved the state out of PARKED, so the scheduler's reference is ours to hand on.
            Wake::Schedule => unsafe { Ready::from_raw(self.0) }.schedule(),
            Wake::Thread => wake_threads(),
            Wake::Nothing => {}
        }
    }

    /// Asks it to end. A greenlet that has not begun never runs. One that has begun unwinds from the wait that it is in,
    /// or from the next that it comes to: its destructors run, silently, and `join` reports
    /// [`JoinError::is_killed`](crate::JoinError::is_killed). Does not wait for any of that; harmless when it has ended. (The
    /// closure of one that has not begun is dropped by the caller.)
    ///
    /// A greenlet that catches the unwinding is killed again at its next wait. As with a panic, a std lock that it holds is
    /// poisoned, a `LazyLock` whose initialiser waits is, too, and the process is aborted if a C function is among the
    /// callers. While it unwinds a wait blocks its OS thread: a destructor (of a `BufWriter`, which flushes, say) should not wait for
    /// another greenlet, which may be settled on the same hub and never run again.
    pub fn kill(&self) {
        match self.header().state().kill() {
            // SAFETY: this call has moved the state from FRESH to DONE: the closure is ours.
            Kill::Cancel => unsafe { Header::cancel(self.0, Failure::Killed) },
            // SAFETY: this call has moved the state out of PARKED: the scheduler's reference is ours to hand on.
            Kill::Schedule => unsafe { Ready::from_raw(self.0) }.schedule(),
            Kill::Nothing => {}
        }
    }

    /// It has ended, or never will begin.
    pub(crate) fn has_ended(&self) -> bool {
        self.header().phase() == Phase::Done
    }

    /// Its name and number as every message spells them.
    pub(crate) fn describe(&self) -> Description<'_> {
        self.header().describe()
    }
}

// Nothing that a greenlet's panic could leave half done is reached through a handle.
impl UnwindSafe for Greenlet {}
impl RefUnwindSafe for Greenlet {}

impl Clone for Greenlet {
    #[inline]
    fn clone(&self) -> Greenlet {
        // SAFETY: our own reference keeps it alive.
        unsafe { Greenlet::from_ref(self.0) }
    }
}

impl Drop for Greenlet {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and given up here.
        unsafe { Header::drop_reference(self.0) };
    }
}

impl PartialEq for Greenlet {
    fn eq(&self, other: &Greenlet) -> bool {
        self.0 == other.0
    }
}

impl Eq for Greenlet {}

impl fmt::Debug for Greenlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        let mut out = f.debug_struct("Greenlet");
        out.field("id", &header.id().as_u64());
        if let Some(name) = header.name() {
            out.field("name", &name);
        }
        out.field("spawned_at", &format_args!("{}", header.spawned_at()));
        match (header.phase(), header.wait_info().get()) {
            (Phase::Parked, Some(WaitBegun { kind, place, .. })) => {
                out.field("state", &format_args!("Parked({kind} at {place})"))
            }
            (phase, _) => out.field("state", &phase),
        };
        out.finish()
    }
}
