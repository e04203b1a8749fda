//! Running what may unwind, and dropping what may, without an unwinding that gets away.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::failure::Failure;
use super::interrupts::Interrupt;
use super::kill::{deliver, is_kill};

/// Runs `f`, and tells how it unwound if it did.
#[inline(always)]
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        if is_kill(&*payload) {
            Failure::Killed
        } else {
            Failure::Panic(payload)
        }
    })
}

/// Drops `value`, and tells how its destructor unwound if it did.
pub(crate) fn discard<T>(value: T) -> Result<(), Failure> {
    caught(|| drop(value))
}

impl Failure {
    /// Unwinds on as it did before.
    pub(crate) fn resume(self) -> ! {
        match self {
            Failure::Panic(payload) => resume_unwind(payload),
            Failure::Killed => deliver(Interrupt::Kill),
        }
    }

    /// Drops a failure that nobody wants to know of. A panic's payload may have a destructor that panics, whose payload
    /// may have one: the second is forgotten.
    pub(crate) fn ignore(self) {
        if let Failure::Panic(payload) = self {
            let again: Result<(), Box<dyn Any + Send>> =
                catch_unwind(AssertUnwindSafe(|| drop(payload)));
            if let Err(payload) = again {
                std::mem::forget(payload);
            }
        }
    }
}
