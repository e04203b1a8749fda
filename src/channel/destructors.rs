//! Dropping many messages of which some panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What destructors have panicked with: the first panic goes on when all are done, as `std` has it for the elements of a
/// vector. Further ones end here, and so does the first while the caller is unwinding: two at a time would end the process.
#[derive(Debug, Default)]
#[must_use = "the first panic is to go on"]
pub(super) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Runs a destructor.
    pub(super) fn catch(&mut self, destructor: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(destructor)) {
            match self.0 {
                None => self.0 = Some(payload),
                Some(_) => forget(payload),
            }
        }
    }

    /// Goes on with the first panic, if there was one.
    pub(super) fn resume(self) {
        match self.0 {
            None => {}
            Some(payload) if std::thread::panicking() => forget(payload),
            Some(payload) => resume_unwind(payload),
        }
    }
}

/// A payload may have a destructor that panics, too.
#[cold]
fn forget(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}
