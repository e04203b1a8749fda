//! A greenlet's one allocation: header, then closure or output.
//!
//! ```text
//!   Body<F, T>  ┌────────────────────────────┐ ◀── Greenlet, Ready, Joined<T>: all point here
//!               │ Header                     │     (the types F and T are known only to the VTable)
//!               ├────────────────────────────┤
//!               │ Stage: F, then T, then ()  │
//!               └────────────────────────────┘
//! ```
//!
//! A greenlet is born with three references: the scheduler's ([`Ready`]), the join handle's ([`Joined`]), and a spare one.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};
use std::task::Waker;

use super::discard::{caught, discard};
use super::failure::Failure;
use super::handle::Greenlet;
use super::header::{Header, Ready, Schedule, VTable};
use super::spawn::Spawn;

#[repr(C)]
struct Body<F, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

enum Stage<F, T> {
    Closure(F),
    Output(Result<T, Failure>),
    Empty,
}

/// Makes a fresh greenlet.
///
/// # Safety
///
/// `home` must be valid as [`Schedule`] demands. `closure` and `T` must be fit for the way in which the greenlet will be
/// run and joined: sent to another thread unless it is pinned, and valid for as long as it may run.
#[inline]
pub(crate) unsafe fn allocate<F, T>(
    spawn: Spawn,
    home: NonNull<dyn Schedule>,
    closure: F,
) -> (Ready, Joined<T>)
where
    F: FnOnce() -> T,
{
    // Built in place: moving a finished body from the stack would cost a copy of some three hundred bytes.
    let mut body = Box::<Body<F, T>>::new_uninit();
    let place = body.as_mut_ptr();
    // SAFETY: both fields are written, which are all there are.
    let body = unsafe {
        (&raw mut (*place).header).write(Header::new(spawn, home, Body::<F, T>::VTABLE));
        (&raw mut (*place).stage).write(UnsafeCell::new(Stage::Closure(closure)));
        body.assume_init()
    };
    let header = NonNull::from(Box::leak(body)).cast::<Header>();
    // SAFETY: two of the references that the header was born with, one each.
    unsafe {
        (
            Ready::from_raw(header),
            Joined::new(Greenlet::from_raw(header)),
        )
    }
}

impl<F, T> Body<F, T>
where
    F: FnOnce() -> T,
{
    const VTABLE: &'static VTable = &VTable {
        run: Body::<F, T>::run,
        cancel: Body::<F, T>::cancel,
        take_output: Body::<F, T>::take_output,
        drop_output: Body::<F, T>::drop_output,
        free: Body::<F, T>::free,
    };

    /// # Safety
    ///
    /// As [`VTable`]; the caller must own the stage.
    unsafe fn replace(header: NonNull<Header>, next: Stage<F, T>) -> Stage<F, T> {
        // SAFETY: the header begins a `Body<F, T>`, and nobody else looks at its stage now.
        unsafe {
            header
                .cast::<Body<F, T>>()
                .as_ref()
                .stage
                .get()
                .replace(next)
        }
    }

    /// Puts the output where nothing is.
    ///
    /// # Safety
    ///
    /// As for `replace`, and the stage must be empty: it is not dropped.
    #[inline]
    unsafe fn fill(header: NonNull<Header>, output: Result<T, Failure>) {
        // SAFETY: as the caller says.
        unsafe {
            let stage = header.cast::<Body<F, T>>().as_ref().stage.get();
            stage.write(Stage::Output(output));
        }
    }

    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: the greenlet runs: the stage is its own.
        let Stage::Closure(closure) = (unsafe { Body::<F, T>::replace(header, Stage::Empty) })
        else {
            unreachable!("a greenlet runs once");
        };
        // SAFETY: the header is alive while the greenlet runs.
        let this = unsafe { header.as_ref() };
        let output = if this.state().kill_is_due() {
            // Killed before it began: it never runs. A destructor's panic is worth more than the kill.
            this.shield();
            discard(closure).and(Err(Failure::Killed))
        } else {
            caught(closure)
        };
        // SAFETY: the greenlet itself asks.
        let output = if unsafe { this.with_locals(|locals| locals.is_empty()) } {
            output
        } else {
            match this.drop_locals() {
                Ok(()) => output,
                Err(failure) => worse(output, failure),
            }
        };
        // SAFETY: the stage is the greenlet's own until it completes, and empty since the closure was taken out.
        unsafe { Body::<F, T>::fill(header, output) };
    }

    unsafe fn cancel(header: NonNull<Header>, failure: Failure) {
        // SAFETY: the caller owns the closure.
        let closure = unsafe { Body::<F, T>::replace(header, Stage::Empty) };
        let output = match discard(closure) {
            Ok(()) => Err(failure),
            // A destructor's panic is worth more than a kill.
            Err(panic) => worse(Err(failure), panic),
        };
        // SAFETY: as above, until the greenlet is completed; the closure was taken out.
        unsafe { Body::<F, T>::fill(header, output) };
    }

    unsafe fn take_output(header: NonNull<Header>, into: *mut ()) {
        // SAFETY: the caller owns the output.
        let Stage::Output(output) = (unsafe { Body::<F, T>::replace(header, Stage::Empty) }) else {
            panic!("the greenlet's output has been taken already");
        };
        // SAFETY: the caller gives a place for a `Result<T, Failure>`.
        unsafe { into.cast::<Result<T, Failure>>().write(output) };
    }

    unsafe fn drop_output(header: NonNull<Header>) {
        // SAFETY: the caller owns the output.
        let output = unsafe { Body::<F, T>::replace(header, Stage::Empty) };
        // A destructor's panic has been reported by the panic hook, and has nowhere else to go.
        if let Err(failure) = discard(output) {
            failure.ignore();
        }
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the last reference is gone; the allocation was made as this type in `allocate`.
        let mut body = unsafe { Box::from_raw(header.cast::<Body<F, T>>().as_ptr()) };
        let is_empty = matches!(body.stage.get_mut(), Stage::Empty) && !body.header.has_locals();
        debug_assert!(is_empty, "an output or a local was left behind");
        if !is_empty {
            // This may be any thread: better leaked than dropped where it does not belong.
            std::mem::forget(body);
        }
    }
}

/// The output of a greenlet that failed as well: a panic before a kill, and the first before the second. What loses is
/// dropped, whatever its destructor does.
fn worse<T>(output: Result<T, Failure>, failure: Failure) -> Result<T, Failure> {
    let (kept, lost) = match output {
        Err(first @ Failure::Panic(_)) => (first, Err(failure)),
        output => (failure, output),
    };
    match lost {
        Ok(value) => {
            if let Err(failure) = discard(value) {
                failure.ignore();
            }
        }
        Err(failure) => failure.ignore(),
    }
    Err(kept)
}

/// The right to a greenlet's output: the inside of every join handle.
pub(crate) struct Joined<T> {
    core: JoinedCore,
    output: PhantomData<fn() -> T>,
}

/// What such a right is without the output's type.
#[derive(Debug)]
pub(crate) struct JoinedCore(Greenlet);

impl JoinedCore {
    /// The greenlet itself.
    #[inline]
    pub(crate) fn greenlet(&self) -> &Greenlet {
        &self.0
    }

    /// The output is there.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.0.header().join_cell().is_complete()
    }

    /// Leaves a waiter; none may be there. `false`: the output is there already, and nobody will be woken.
    pub(crate) fn wait(&mut self, waiter: Waker) -> bool {
        self.0.header().join_cell().wait(waiter).is_ok()
    }

    /// Takes the waiter back, if there is one and the greenlet has not ended.
    pub(crate) fn withdraw(&mut self) {
        drop(self.0.header().join_cell().withdraw());
    }
}

impl<T> Joined<T> {
    /// For the handle that a greenlet is born with.
    fn new(greenlet: Greenlet) -> Joined<T> {
        Joined {
            core: JoinedCore(greenlet),
            output: PhantomData,
        }
    }

    /// What does not depend on the output's type.
    #[inline]
    pub(crate) fn core(&mut self) -> &mut JoinedCore {
        &mut self.core
    }

    /// The greenlet itself.
    #[inline]
    pub(crate) fn greenlet(&self) -> &Greenlet {
        self.core.greenlet()
    }

    /// The output is there.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.core.is_complete()
    }

    /// The output; whoever polls the handle as a future keeps the handle.
    ///
    /// # Panics
    ///
    /// If it is not there yet, or has been taken before.
    #[inline]
    pub(crate) fn take(&mut self) -> Result<T, Failure> {
        assert!(
            self.is_complete(),
            "the output was asked for before the greenlet's end"
        );
        let mut output = MaybeUninit::<Result<T, Failure>>::uninit();
        let header = self.greenlet().header();
        // SAFETY: complete, and only this handle may take the output. The place is of the right type, and is initialised
        // by the call.
        unsafe {
            (header.vtable().take_output)(self.core.0.as_ptr(), output.as_mut_ptr().cast());
            output.assume_init()
        }
    }

    /// The output, once it is there, at the end of the handle's life; a failure is passed through `error`.
    ///
    /// # Panics
    ///
    /// As [`Joined::take`].
    #[inline]
    pub(crate) fn into_result<E>(
        mut self,
        error: impl FnOnce(Greenlet, Failure) -> E,
    ) -> Result<T, E> {
        let output = self.take();
        // Neither waiter nor output is left for `Drop` to look after.
        let this = ManuallyDrop::new(self);
        // SAFETY: read once, out of a value that is not dropped.
        let greenlet = unsafe { ptr::read(&raw const this.core.0) };
        match output {
            Ok(value) => Ok(value),
            Err(failure) => Err(error(greenlet, failure)),
        }
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        let header = self.greenlet().header();
        // Foreign code, dropped last: it may unwind.
        let _waker = header.join_cell().withdraw();
        if header.join_cell().detach() {
            // SAFETY: the join cell makes us the output's owner.
            unsafe { (header.vtable().drop_output)(self.core.0.as_ptr()) };
        }
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.greenlet(), f)
    }
}
