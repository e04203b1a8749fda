//! A bag of tokens that is guarded by a mutex, and a condition for those who wait for one.

use std::sync::Arc;

use greenhub::sync::{Condvar, Mutex, MutexGuard};

use super::faults::Faults;
use super::inside::{Holder, Inside};
use super::token::{Ledger, Token};
use super::waiters::Waiters;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Bag {
    pub(crate) tokens: Mutex<Vec<Token>>,
    pub(crate) filled: Condvar,
    pub(crate) takers: Waiters,
    inside: Inside,
}

/// The bag, locked, with the check that it is.
pub(crate) struct OpenBag<'a> {
    bag: &'a Bag,
    faults: &'a Faults,
    // Dropped before the guard.
    holder: Option<Holder<'a>>,
    guard: MutexGuard<'a, Vec<Token>>,
}

impl Bag {
    pub(crate) fn new() -> Bag {
        Bag::default()
    }

    /// It is locked: this guard says so.
    pub(crate) fn open<'a>(
        &'a self,
        guard: MutexGuard<'a, Vec<Token>>,
        faults: &'a Faults,
    ) -> OpenBag<'a> {
        OpenBag {
            bag: self,
            faults,
            holder: Some(self.inside.alone("the bag", faults)),
            guard,
        }
    }

    /// As many tokens as wait for one and will not find one, each announced once.
    pub(crate) fn supply(&self, ledger: &Arc<Ledger>, faults: &Faults) {
        let takers = self.takers.count();
        let guard = self.tokens.try_lock_for(crate::supply::PATIENCE);
        if let Some(guard) = guard.filter(|_| takers > 0) {
            let mut bag = self.open(guard, faults);
            while bag.len() < takers {
                bag.put(ledger.token());
                self.filled.notify_one();
            }
        }
    }

    pub(crate) fn check(&self, faults: &Faults) {
        match self.tokens.try_lock() {
            Some(mut tokens) => tokens.clear(),
            None => faults.tell("the bag is locked at the end"),
        }
    }
}

impl<'a> OpenBag<'a> {
    /// What is guarded may be touched.
    fn is_sound(&self) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.is_sound)
    }

    pub(crate) fn put(&mut self, token: Token) {
        if self.is_sound() {
            self.guard.push(token);
        }
    }

    pub(crate) fn take(&mut self) -> Option<Token> {
        self.is_sound().then(|| self.guard.pop()).flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.guard.len()
    }

    /// Waits with the guard. However that ends, by returning or by unwinding, the lock must be there again.
    #[track_caller]
    pub(crate) fn wait<R>(
        &mut self,
        wait: impl FnOnce(&Condvar, &mut MutexGuard<'a, Vec<Token>>) -> R,
    ) -> R {
        self.holder = None;
        let _returns = Returns {
            bag: self.bag,
            faults: self.faults,
            holder: &mut self.holder,
        };
        wait(&self.bag.filled, &mut self.guard)
    }
}

/// Is inside again when it is dropped.
struct Returns<'a, 'b> {
    bag: &'a Bag,
    faults: &'a Faults,
    holder: &'b mut Option<Holder<'a>>,
}

impl Drop for Returns<'_, '_> {
    fn drop(&mut self) {
        *self.holder = Some(self.bag.inside.alone("the bag after a wait", self.faults));
    }
}
