//! The stack that a lane keeps for the worst case: greenlets for which there has been no stack for a whole second are given up,
//! and what they own is dropped on this one. Destructors are somebody else's code and may wait, so they have no business on
//! a hub's own stack.

use std::fmt;
use std::io;

use crate::fiber::{Stack, StackPool};
use crate::primitive::sync::{Arc, Mutex};

/// One lane's.
pub(crate) struct Reserve {
    pool: Arc<StackPool>,
    /// `None`: it is in use, and nobody of this lane begins before it, or another, is back.
    stack: Mutex<Option<Stack>>,
}

impl Reserve {
    /// Takes a stack of the default size from `pool`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn new(pool: &Arc<StackPool>) -> io::Result<Reserve> {
        let stack = pool.take(pool.default_size(), 0, &mut Vec::new())?;
        Ok(Reserve {
            pool: Arc::clone(pool),
            stack: Mutex::new(Some(stack)),
        })
    }

    /// Takes it for those who are given up.
    pub(crate) fn take(&self) -> Option<Stack> {
        self.stack.lock().take()
    }

    /// Keeps `stack` if there is none. Otherwise, and if it is of another size, it comes back.
    pub(crate) fn fill(&self, stack: Stack) -> Option<Stack> {
        let mut place = self.stack.lock();
        if place.is_some() || stack.size() != self.pool.default_size() {
            return Some(stack);
        }
        *place = Some(stack);
        None
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if let Some(stack) = self.take() {
            self.pool.put(stack);
        }
    }
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}
