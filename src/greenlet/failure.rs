//! Why there is no output.

use std::any::Any;

/// What stands in the output's place when there is no value.
pub(crate) enum Failure {
    /// The body panicked with this payload.
    Panic(Box<dyn Any + Send>),
    /// It was killed, before or after it began.
    Killed,
}
