//! Who the caller is, to those who will wake it.

use crate::context;
use crate::greenlet::{Greenlet, Unparker};
use crate::primitive::thread::Parker;

/// What wakes the caller from [`park`](super::park).
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
