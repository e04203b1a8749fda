//! A value that is made when it is first wanted.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::once::OnceLock;
use crate::wait::Shield;

/// A value that is made when it is first wanted: [`std::sync::LazyLock`]. While one greenlet or OS thread makes the value, the
/// others wait cooperatively: making it may itself wait.
///
/// ```
/// use greenhub::sync::LazyLock;
///
/// static CONFIG: LazyLock<String> = LazyLock::new(|| {
///     greenhub::yield_now();
///     "loaded".to_string()
/// });
///
/// assert_eq!(*CONFIG, "loaded");
/// assert_eq!(CONFIG.len(), 6);
/// ```
///
/// What makes the value can be called once only. So no kill and no [`timeout`](crate::timeout) is delivered meanwhile, as within
/// [`shield`](crate::shield): whoever happened to come first would be ended at all others' cost. If it panics the lock is
/// poisoned, as std's. One whose making comes back here waits for itself for ever.
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    /// Taken by the one that makes the value.
    make: Cell<Option<F>>,
}

// SAFETY: `make` is touched through a shared reference only by the one that makes the value, of which there is one at a time,
// each after the one before; the function moves to it, nothing of it is shared.
unsafe impl<T, F: Send> Sync for LazyLock<T, F> where OnceLock<T>: Sync {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `make` will make.
    #[must_use]
    pub const fn new(make: F) -> LazyLock<T, F> {
        LazyLock {
            value: OnceLock::new(),
            make: Cell::new(Some(make)),
        }
    }

    /// The value, made if it is not there yet. If another is making it, waits for that. The same as `&*this`.
    ///
    /// # Panics
    ///
    /// With the panic of what makes the value; and if that has panicked before.
    #[track_caller]
    #[inline]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        this.value.get_or_init(|| {
            let make = this.make.take().expect("what makes the value has panicked");
            let _shield = Shield::raise();
            make()
        })
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[track_caller]
    #[inline]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("LazyLock");
        match self.value.peek() {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<uninit>")),
        };
        out.finish()
    }
}
