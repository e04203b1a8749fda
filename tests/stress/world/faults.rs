//! What was found to be wrong.

use std::sync::{Mutex, PoisonError};

/// More are not kept: the first ones say what has happened.
const MOST: usize = 20;

/// What was found to be wrong in one round, in words. Told from anywhere, also while unwinding; the round fails at its end.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<String>>);

impl Faults {
    /// This must not be.
    #[cold]
    pub(crate) fn tell(&self, fault: impl Into<String>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST {
            told.push(fault.into());
        }
    }

    /// All of them, in the order in which they were found.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
