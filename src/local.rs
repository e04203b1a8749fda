//! `greenlet_local!`: a value of its own for each greenlet.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::ptr;

use crate::context;

/// Declares values of which each greenlet has its own, as [`std::thread_local!`] does for threads.
///
/// A value is made when its greenlet first asks for it, and dropped when the greenlet ends, on the greenlet's own stack,
/// the youngest first. Outside of greenlets each OS thread has its own. It need be neither `Send` nor `Sync`.
///
/// This is what to use where a `thread_local!` would be shared by all greenlets of a thread.
///
/// ```
/// use std::cell::Cell;
///
/// greenhub::greenlet_local! {
///     /// How many requests this greenlet has served.
///     static SERVED: Cell<u32> = Cell::new(0);
/// }
///
/// greenhub::run(|| {
///     SERVED.set(5);
///     let other = greenhub::spawn(|| SERVED.get()).join().unwrap();
///     assert_eq!((SERVED.get(), other), (5, 0));
/// });
/// ```
#[macro_export]
macro_rules! greenlet_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident : $type:ty = const $init:block $(; $($rest:tt)*)?) => {
        $crate::greenlet_local! { $(#[$attribute])* $visibility static $name: $type = $init; $($($rest)*)? }
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident : $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $visibility static $name: $crate::LocalKey<$type> = $crate::LocalKey::new(|| $init);
        $($crate::greenlet_local! { $($rest)* })?
    };
}

/// The key of a [`greenlet_local!`] value, with [`std::thread::LocalKey`]'s methods.
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

/// The value could not be reached: it has been dropped, because its greenlet or thread is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a greenlet-local value was asked for after it had been dropped")
    }
}

impl Error for AccessError {}

impl<T: 'static> LocalKey<T> {
    /// For [`greenlet_local!`].
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> LocalKey<T> {
        LocalKey { init }
    }

    /// Applies `f` to the current greenlet's value, which is made if there is none yet.
    ///
    /// # Panics
    ///
    /// If the value has been dropped already: see [`LocalKey::try_with`].
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Applies `f` to the current greenlet's value, which is made if there is none yet.
    ///
    /// # Errors
    ///
    /// If the value has been dropped already: a destructor asks for it that runs as the greenlet, or the thread, ends.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = match self.find()? {
            Some(value) => value,
            None => {
                // Foreign code, which may come back here, and may suspend.
                let value = Box::new((self.init)());
                match self.find()? {
                    // It has come back, and made the value.
                    Some(value) => value,
                    None => {
                        let at: *const T = &raw const *value;
                        context::with_locals(|locals| locals.insert(self.address(), value))
                            .ok_or(AccessError)?;
                        at
                    }
                }
            }
        };
        // SAFETY: the value is boxed, and dropped only when the greenlet (or thread) that is running here ends; it is
        // shared with nobody else.
        Ok(f(unsafe { &*value }))
    }

    /// Hands `value` to `replace`, with the greenlet's value, or makes it that if there is none yet.
    fn put(&'static self, value: T, replace: impl FnOnce(&T, T)) {
        match self.find() {
            // SAFETY: as in `try_with`.
            Ok(Some(present)) => replace(unsafe { &*present }, value),
            Ok(None) => {
                context::with_locals(|locals| locals.insert(self.address(), Box::new(value)));
            }
            Err(error) => {
                // Before the unwinding, in which its destructor must not wait.
                drop(value);
                panic!("{error}")
            }
        }
    }

    /// Where the value is, if it has been made.
    fn find(&'static self) -> Result<Option<*const T>, AccessError> {
        context::with_locals(|locals| {
            let value: Option<&dyn Any> = locals.get(self.address()).map_err(|_| AccessError)?;
            Ok(value.and_then(|value| value.downcast_ref().map(ptr::from_ref)))
        })
        .unwrap_or(Err(AccessError))
    }

    /// What tells this key from all others: the statics' addresses differ, as the type is never of size zero.
    fn address(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value; the initialiser does not run.
    ///
    /// # Panics
    ///
    /// As [`LocalKey::with`].
    pub fn set(&'static self, value: T) {
        self.put(Cell::new(value), |cell, value| cell.set(value.into_inner()));
    }

    /// Returns a copy of the value.
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, leaving the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value, and returns the one before.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Applies `f` to the borrowed value.
    ///
    /// # Panics
    ///
    /// If it is mutably borrowed.
    #[track_caller]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Applies `f` to the mutably borrowed value.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value; the initialiser does not run.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`LocalKey::with`].
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.put(RefCell::new(value), |cell, value| {
            *cell.borrow_mut() = value.into_inner()
        });
    }

    /// Takes the value, leaving the default.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets the value, and returns the one before.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}
