//! Who the caller is, to those who will wake it.

use std::num::NonZeroUsize;

use crate::context;
use crate::greenlet::{Greenlet, Unparker};
use crate::primitive::thread::Parker;

/// What wakes the caller from a [park](super::park()).
pub(crate) fn current_unparker() -> Unparker {
    match context::greenlet() {
        // SAFETY: the calling greenlet's own.
        Some(header) => Unparker::Greenlet(unsafe { Greenlet::for_waker(header) }),
        None => Unparker::Thread(
            context::with_parker(|parker| parker.unparker().clone())
                .unwrap_or_else(|| Parker::new().unparker().clone()),
        ),
    }
}

/// Tells the calling greenlet, or OS thread, from all others that are, were, or will be.
pub(crate) fn current_caller() -> NonZeroUsize {
    let number = match context::greenlet() {
        // SAFETY: the greenlet runs, so it is alive.
        Some(header) => unsafe { header.as_ref() }.id(),
        None => context::thread_number(),
    };
    number
        .as_u64()
        .try_into()
        .expect("there have been more greenlets than a word can count")
}
