//! How a greenlet can fail to give its value.

use std::any::Any;
use std::error::Error;
use std::fmt;

use super::failure::Failure;
use super::handle::Greenlet;
use super::kill::panic_message;
use crate::primitive::sync::Mutex;

/// A greenlet ended without a value: it panicked, or it was killed.
///
/// ```
/// let error = greenhub::spawn(|| panic!("no luck")).join().unwrap_err();
/// assert!(error.is_panic());
/// assert!(error.to_string().contains("no luck"));
/// ```
pub struct JoinError {
    greenlet: Greenlet,
    cause: Cause,
}

enum Cause {
    /// Behind a lock so that the error can be shared between threads although the payload cannot.
    Panic(Mutex<Box<dyn Any + Send>>),
    Killed,
    Deadlock,
}

impl JoinError {
    pub(crate) fn new(greenlet: Greenlet, failure: Failure) -> JoinError {
        let cause = match failure {
            Failure::Panic(payload) => Cause::Panic(Mutex::new(payload)),
            Failure::Killed => Cause::Killed,
        };
        JoinError { greenlet, cause }
    }

    /// To wait for `greenlet` would be to wait for ever.
    pub(crate) fn deadlock(greenlet: Greenlet) -> JoinError {
        JoinError {
            greenlet,
            cause: Cause::Deadlock,
        }
    }

    /// The greenlet's body panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(_))
    }

    /// The greenlet was killed, by [`kill`](Greenlet::kill) or because its runtime was shut down.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(self.cause, Cause::Killed)
    }

    /// The greenlet has not ended, and the caller could not wait for it: a greenlet that unwinds does not park, and this
    /// one can run only on the caller's own hub. It has been detached instead. So a destructor that joins, in a greenlet
    /// that was killed or has panicked, goes on.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self.cause, Cause::Deadlock)
    }

    /// The value that the body panicked with, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the greenlet did not panic; [`JoinError::try_into_panic`] does not.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("into_panic called on another error: {error}"),
        }
    }

    /// The value that the body panicked with.
    ///
    /// # Errors
    ///
    /// Gives the error back if the greenlet did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        let JoinError { greenlet, cause } = self;
        match cause {
            Cause::Panic(payload) => Ok(payload.into_inner()),
            cause => Err(JoinError { greenlet, cause }),
        }
    }

    /// The greenlet that failed.
    #[must_use]
    pub fn greenlet(&self) -> &Greenlet {
        &self.greenlet
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let greenlet = self.greenlet.describe();
        match &self.cause {
            Cause::Killed => write!(f, "{greenlet} was killed"),
            Cause::Deadlock => write!(
                f,
                "{greenlet} was not waited for: its hub is busy unwinding the greenlet that joined it"
            ),
            Cause::Panic(payload) => match panic_message(&**payload.lock()) {
                Some(message) => write!(f, "{greenlet} panicked: {message}"),
                None => write!(f, "{greenlet} panicked with a value that is not text"),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}
