//! The greenlet that asks.

use crate::context;
use crate::greenlet::Greenlet;

/// The greenlet that is running here.
///
/// ```
/// greenhub::run(|| {
///     let id = greenhub::current().id();
///     greenhub::yield_now();
///     assert_eq!(greenhub::current().id(), id);
/// });
/// ```
///
/// # Panics
///
/// Outside of greenlets; [`try_current`] returns `None` there.
#[must_use]
#[track_caller]
pub fn current() -> Greenlet {
    try_current().expect("greenhub::current() was called outside of greenlets")
}

/// The greenlet that is running here, or `None` outside of greenlets.
///
/// ```
/// assert!(greenhub::try_current().is_none());
/// assert!(greenhub::run(|| greenhub::try_current().is_some()));
/// ```
#[must_use]
pub fn try_current() -> Option<Greenlet> {
    context::greenlet_handle()
}
