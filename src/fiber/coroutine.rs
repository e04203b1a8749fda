//! The switch: running a function on a stack of its own, a slice at a time.
//!
//! This is where a slice begins and ends, and the only file that names corosensei. Its coroutines unwind when they
//! are dropped, catch what unwinds out of them, and carry values both ways. A fiber wants none of this: it is run
//! to its end or never freed, what it runs catches its own panics, and what passes at a switch is one byte.
//!
//! What a switch keeps is what a call keeps, but for the floating-point environment (on x86-64 the control bits of MXCSR and of
//! the x87's control word: rounding, flush to zero, masked exceptions). That stays as the thread has it: what a fiber
//! sets, all fibers find that run on the thread after it, until one sets it back. To read both words and compare them at
//! each suspension, and to load them where they differ, was measured at 0.6 to 1.1 ns, of 12 to 15 for a yield: 7 % for all, for what
//! next to nobody does, and who does it can do between two waits.

use std::mem::ManuallyDrop;
use std::process;

use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::stack::{Place, Stack, StackBounds};

/// Why a running fiber gave control back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspend {
    /// It is ready to go on, and lets others go first.
    Yield,
    /// It waits for somebody to unpark it.
    Park,
}

/// What a fiber runs: it is given the argument that the fiber was made with, and the means to suspend itself.
///
/// It must not unwind. If it does, the process aborts.
pub(crate) type Entry = unsafe fn(*const (), &Suspender);

/// A running fiber's way back to whoever resumed it. It lies on the fiber's own stack.
#[repr(transparent)]
pub(crate) struct Suspender {
    yielder: Yielder<(), Suspend>,
}

impl Suspender {
    /// Gives control back, and returns when the fiber is resumed: perhaps on another thread.
    #[inline(always)]
    pub(crate) fn suspend(&self, why: Suspend) {
        self.yielder.suspend(why);
    }
}

/// A function on a stack, run a slice at a time.
///
/// It must be run to its end before it is dropped, and its stack taken back by [`Fiber::into_stack`]. One dropped in
/// the middle aborts the process: what its frames borrow would be left dangling if the stack were reused, and
/// unwinding it would run the destructors at a time and on a thread that they know nothing of.
pub(crate) struct Fiber {
    /// The switch. It has no stack of its own: it runs on the next field's.
    coroutine: ManuallyDrop<Coroutine<(), Suspend, (), Place>>,
    /// The stack, until somebody takes it.
    stack: ManuallyDrop<Stack>,
}

// SAFETY: the stack, the argument and the address of the entry may be on any thread at any time. What suspended frames
// hold may not: it may belong to the thread of an earlier slice, and so may addresses of thread-locals that the
// compiler has kept. So the contract is split. Moving a `Fiber` to another thread moves a handle, and anyone may.
// *Resuming* it there is what could go wrong: `Fiber::resume` is unsafe, and whoever calls it promises that the fiber
// either runs where it last ran, or was spawned under the promise that it may migrate. To drop a suspended one is an
// abort on any thread. This is the crate's only such impl for a suspended stack.
unsafe impl Send for Fiber {}

impl Fiber {
    /// Prepares `entry(arg, ..)` to run on `stack`. It begins at the first resume.
    ///
    /// # Safety
    ///
    /// - On whatever thread resumes first, it must be sound to call `entry` with `arg`.
    /// - The pool that `stack` came from must outlive the fiber.
    #[inline]
    pub(crate) unsafe fn new(stack: Stack, entry: Entry, arg: *const ()) -> Fiber {
        let main = move |yielder: &Yielder<(), Suspend>, ()| {
            let bomb = AbortOnUnwind;
            // SAFETY: a `Suspender` is a `Yielder` by another name.
            let suspender = unsafe { &*std::ptr::from_ref(yielder).cast::<Suspender>() };
            // SAFETY: the caller of `new` has promised that this is sound on the thread that resumes first.
            unsafe { entry(arg, suspender) };
            std::mem::forget(bomb);
        };
        // What a walk up the stack knows its end by: see `detector::unwind`.
        const { assert!(size_of::<(Entry, *const ())>() == 16) };
        let coroutine = Coroutine::with_stack(stack.place(), main);
        Fiber {
            coroutine: ManuallyDrop::new(coroutine),
            stack: ManuallyDrop::new(stack),
        }
    }

    /// Runs the fiber until it suspends, and says why it did; or until it ends, which is `None`.
    ///
    /// # Safety
    ///
    /// The first resume may be on any thread. Every later one must be on the thread of the one before, unless
    /// whoever made the fiber has promised that no value of its frames is bound to a thread and that it uses no
    /// thread-local across a suspension.
    ///
    /// # Panics
    ///
    /// If the fiber has ended before.
    #[inline]
    pub(crate) unsafe fn resume(&mut self) -> Option<Suspend> {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(why) => Some(why),
            CoroutineResult::Return(()) => None,
        }
    }

    /// Takes the stack back from a fiber that has ended, or has never begun.
    #[inline]
    pub(crate) fn into_stack(self) -> Stack {
        if self.is_suspended() {
            abort("a suspended greenlet's stack was asked for");
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped nor used again, so the stack is taken only once. Nothing runs on it, and
        // the coroutine, forgotten with `this`, holds nothing: `main` captures a function and a pointer.
        unsafe { ManuallyDrop::take(&mut this.stack) }
    }

    /// Where the fiber's stack lies. Safe to ask from a signal handler.
    pub(crate) fn bounds(&self) -> StackBounds {
        self.stack.bounds()
    }

    /// Where, in a fiber, the word lies that says where its stack is.
    pub(super) const PLACE_OFFSET: usize = std::mem::offset_of!(Fiber, stack);

    /// Whether the fiber has begun and not ended.
    #[inline]
    fn is_suspended(&self) -> bool {
        self.coroutine.started() && !self.coroutine.done()
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if self.is_suspended() {
            abort("a suspended greenlet was dropped");
        }
    }
}

impl std::fmt::Debug for Fiber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fiber")
            .field("stack", &self.stack)
            .field("suspended", &self.is_suspended())
            .finish()
    }
}

// SAFETY: the place is that of the `Stack` in the same `Fiber`: it has a guard, is larger than corosensei's minimum,
// and its base is a multiple of 128. The system maps nothing at address zero.
unsafe impl corosensei::stack::Stack for Place {
    #[inline]
    fn base(&self) -> StackPointer {
        // SAFETY: as above.
        unsafe { StackPointer::new_unchecked(Place::base(*self)) }
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        // SAFETY: as above.
        unsafe { StackPointer::new_unchecked(self.bounds().guard) }
    }
}

/// Aborts when it is dropped, so that nothing unwinds past whoever holds it.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        abort("a panic has reached the root of a greenlet's stack");
    }
}

/// Ends the process for a bug of the scheduler's.
#[cold]
#[inline(never)]
fn abort(what: &str) -> ! {
    eprintln!("greenhub: {what}: this is a bug in greenhub");
    process::abort();
}

#[cfg(test)]
mod tests {
    use super::super::cache::StackCache;
    use super::super::child;
    use super::super::guard::Guards;
    use super::super::pool::StackPool;
    use super::super::stack::{StackSize, page_size};
    use super::*;
    use crate::primitive::sync::Arc;

    fn cache() -> StackCache {
        StackCache::new(Arc::new(StackPool::new(StackSize::DEFAULT, Guards::Probe)))
    }

    fn fiber(cache: &mut StackCache, entry: Entry, arg: *const ()) -> Fiber {
        let stack = cache.take(StackSize::DEFAULT).unwrap();
        // SAFETY: each test passes the argument that its entry wants, and keeps both it and the cache.
        unsafe { Fiber::new(stack, entry, arg) }
    }

    fn resume(fiber: &mut Fiber) -> Option<Suspend> {
        // SAFETY: the entries of these tests use nothing that is bound to a thread.
        unsafe { fiber.resume() }
    }

    /// Counts in the `Cell<u32>` that it is given, with both ways of suspending in between.
    unsafe fn count(arg: *const (), suspender: &Suspender) {
        // SAFETY: `arg` is a `Cell<u32>`.
        let counter = unsafe { &*arg.cast::<std::cell::Cell<u32>>() };
        counter.set(1);
        suspender.suspend(Suspend::Park);
        counter.set(2);
        suspender.suspend(Suspend::Yield);
        counter.set(3);
    }

    #[test]
    fn a_fiber_runs_slice_by_slice_and_gives_its_stack_back() {
        let mut cache = cache();
        let counter = std::cell::Cell::new(0);
        let mut fiber = fiber(&mut cache, count, (&raw const counter).cast());
        assert_eq!(size_of::<Fiber>(), 40);
        let bounds = fiber.bounds();
        assert_eq!(
            (counter.get(), resume(&mut fiber)),
            (0, Some(Suspend::Park))
        );
        assert_eq!(
            (counter.get(), resume(&mut fiber)),
            (1, Some(Suspend::Yield))
        );
        assert_eq!((counter.get(), resume(&mut fiber)), (2, None));
        assert_eq!(counter.get(), 3);
        let stack = fiber.into_stack();
        assert_eq!(stack.bounds(), bounds);
        cache.put(stack);
    }

    #[test]
    fn a_fiber_that_never_began_gives_its_stack_back() {
        let mut cache = cache();
        let fiber = fiber(&mut cache, count, std::ptr::null());
        cache.put(fiber.into_stack());
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_fiber_may_go_on_on_another_thread() {
        let mut cache = cache();
        let counter = Box::leak(Box::new(std::cell::Cell::new(0)));
        let mut fiber = fiber(&mut cache, count, std::ptr::from_ref(counter).cast());
        assert_eq!(resume(&mut fiber), Some(Suspend::Park));
        let fiber = std::thread::spawn(move || {
            while resume(&mut fiber).is_some() {}
            fiber
        });
        cache.put(fiber.join().unwrap().into_stack());
        assert_eq!(counter.get(), 3);
    }

    /// Panics, catches it, and suspends while the payload is at hand.
    unsafe fn panic_inside(arg: *const (), suspender: &Suspender) {
        let outcome = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(17_u32)));
        suspender.suspend(Suspend::Yield);
        let payload = outcome.unwrap_err().downcast_ref::<u32>().copied().unwrap();
        // SAFETY: `arg` is a `Cell<u32>`.
        unsafe { &*arg.cast::<std::cell::Cell<u32>>() }.set(payload);
    }

    #[test]
    fn a_panic_may_be_caught_inside() {
        let mut cache = cache();
        let caught = std::cell::Cell::new(0);
        let mut fiber = fiber(&mut cache, panic_inside, (&raw const caught).cast());
        while resume(&mut fiber).is_some() {}
        assert_eq!(caught.get(), 17);
        cache.put(fiber.into_stack());
    }

    #[test]
    fn a_shallow_fiber_lives_in_one_page() {
        child::run_to_end(
            "fiber::coroutine::tests::a_shallow_fiber_lives_in_one_page",
            || {
                let mut cache = cache();
                let counter = std::cell::Cell::new(0);
                let arg = (&raw const counter).cast();
                let mut fibers: Vec<_> = (0..4096).map(|_| fiber(&mut cache, count, arg)).collect();
                let before = child::resident();
                fibers
                    .iter_mut()
                    .for_each(|fiber| assert!(resume(fiber).is_some()));
                let grown = child::resident() - before;
                // The bases were written to by `new`, so hardly anything is left to touch.
                assert!(grown < 64 * page_size(), "{} KiB", grown >> 10);
                fibers
                    .iter_mut()
                    .for_each(|fiber| while resume(fiber).is_some() {});
                fibers
                    .into_iter()
                    .for_each(|fiber| cache.put(fiber.into_stack()));
            },
        );
    }

    unsafe fn panic_out(_: *const (), _: &Suspender) {
        std::panic::resume_unwind(Box::new(()));
    }

    #[test]
    fn unwinding_out_of_the_entry_aborts() {
        let output = child::run(
            "fiber::coroutine::tests::unwinding_out_of_the_entry_aborts",
            || {
                let mut cache = cache();
                resume(&mut fiber(&mut cache, panic_out, std::ptr::null()));
            },
        );
        assert_aborted(
            &output,
            "a panic has reached the root of a greenlet's stack",
        );
    }

    #[test]
    fn dropping_a_suspended_fiber_aborts() {
        let output = child::run(
            "fiber::coroutine::tests::dropping_a_suspended_fiber_aborts",
            || {
                let counter = std::cell::Cell::new(0);
                let mut cache = cache();
                let mut fiber = fiber(&mut cache, count, (&raw const counter).cast());
                resume(&mut fiber);
                drop(fiber);
            },
        );
        assert_aborted(&output, "a suspended greenlet was dropped");
    }

    fn assert_aborted(output: &process::Output, text: &str) {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(text),
            "{output:?}"
        );
    }
}
