//! A greenlet's end, from its output's being in its place to the last of somebody else's code that this sets off.

use std::ptr::NonNull;
use std::task::Waker;

use super::discard::caught;
use super::failure::Failure;
use super::header::Header;
use super::join_cell::Completed;

impl Header {
    /// Drops the closure unrun, and completes the greenlet with the failure: all of it where the caller runs.
    ///
    /// # Safety
    ///
    /// The caller must have moved the state from FRESH to DONE, and hold a reference.
    #[cold]
    pub(crate) unsafe fn cancel(this: NonNull<Header>, failure: Failure) {
        // SAFETY: the closure is the caller's, and the header alive.
        unsafe {
            (this.as_ref().vtable().cancel)(this, failure);
            let completed = Header::complete(this);
            Header::run_foreign(this, completed);
            this.as_ref().delay().release();
        }
    }

    /// The output is in its place. What has to be done next may be somebody else's code, and wait.
    ///
    /// # Safety
    ///
    /// The caller must have put the output there, once, and hold a reference.
    #[inline]
    pub(crate) unsafe fn complete(this: NonNull<Header>) -> Completed<Waker> {
        // SAFETY: the header is alive.
        unsafe { this.as_ref() }.join_cell().complete()
    }

    /// The greenlet itself, completed: does what completing it has left to be done. That may wait, but neither a kill nor a time
    /// limit breaks it off, and may use locals for the first time.
    ///
    /// # Safety
    ///
    /// Called once, on the greenlet's own stack, with what [`Header::complete`] returned.
    #[cold]
    pub(crate) unsafe fn serve(this: NonNull<Header>, completed: Completed<Waker>) {
        // SAFETY: a greenlet that runs is alive.
        let header = unsafe { this.as_ref() };
        header.shield();
        // SAFETY: as the caller says.
        unsafe { Header::run_foreign(this, completed) };
        if let Err(failure) = header.drop_locals() {
            failure.ignore();
        }
    }

    /// # Safety
    ///
    /// `completed` must be what [`Header::complete`] returned.
    unsafe fn run_foreign(this: NonNull<Header>, completed: Completed<Waker>) {
        match completed {
            // Its panic has been reported by the panic hook, and has nowhere else to go.
            Completed::Wake(waker) => {
                if let Err(failure) = caught(|| waker.wake()) {
                    failure.ignore();
                }
            }
            Completed::Unwatched => {}
            // SAFETY: the join cell makes us the output's owner.
            Completed::Detached => unsafe { (this.as_ref().vtable().drop_output)(this) },
        }
    }
}
