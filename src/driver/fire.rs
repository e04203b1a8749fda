//! What a timer does.

use crate::greenlet::{Ready, Unparker};

/// What is to be done when a timer's moment has come.
#[derive(Debug)]
pub(crate) enum Fire {
    /// Wakes whoever waits.
    Unpark(Unparker),
    /// Schedules a greenlet that has not run yet.
    Start(Ready),
}

impl Fire {
    /// Does it.
    pub(super) fn fire(self) {
        match self {
            Fire::Unpark(unparker) => unparker.unpark(),
            Fire::Start(ready) => ready.schedule(),
        }
    }
}
