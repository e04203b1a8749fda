//! A line of the source, in an atomic.

use std::panic::Location;
use std::ptr;

use crate::primitive::atomic::{AtomicPtr, Ordering};

/// A place, or none. For reports: it orders nothing.
#[derive(Debug)]
pub(crate) struct AtomicPlace(AtomicPtr<Location<'static>>);

impl AtomicPlace {
    /// None.
    pub(crate) const fn none() -> AtomicPlace {
        AtomicPlace(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline(always)]
    pub(crate) fn set(&self, place: &'static Location<'static>) {
        self.0
            .store(ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: the pointer is null or was made from a `&'static Location` in `set`.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}
