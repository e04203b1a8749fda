//! What decides what becomes of one wait: a word that leaves zero once.

use crate::primitive::atomic::{AtomicUsize, Ordering};

/// What a completer tells the waiter. Four values are enough for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Look again: what you wait for may be there.
    Retry = 1,
    /// What you wait for is yours.
    Given = 2,
    /// It will never come.
    Closed = 3,
}

const WAITING: usize = 0;
const WITHDRAWN: usize = usize::MAX;
const TOKENS: usize = 4;

/// One wait's word: `WAITING`, `WITHDRAWN`, or the number of the node that was completed and the completer's token.
#[derive(Debug)]
pub(super) struct Ticket(AtomicUsize);

impl Ticket {
    /// The wait begins.
    pub(super) fn new() -> Ticket {
        Ticket(AtomicUsize::new(WAITING))
    }

    /// A completer: the wait goes on. Only [`Ticket::complete`] decides.
    pub(super) fn waits(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WAITING
    }

    /// A completer: completes the wait, by its node of this number. `true` if that is what ended it: then the ticket, whose
    /// waiter may be gone, must not be touched again.
    #[must_use = "the waiter may have withdrawn"]
    pub(super) fn complete(&self, index: usize, token: Token) -> bool {
        let completed = index * TOKENS + token as usize;
        // Release publishes what the completer did for the waiter.
        self.0
            .compare_exchange(WAITING, completed, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// The waiter: which node was completed, and how, if one was.
    pub(super) fn outcome(&self) -> Option<(usize, Token)> {
        // Acquire pairs with the release in `complete`.
        let word = self.0.load(Ordering::Acquire);
        let token = match word % TOKENS {
            1 => Token::Retry,
            2 => Token::Given,
            3 if word != WITHDRAWN => Token::Closed,
            _ => return None,
        };
        Some((word / TOKENS, token))
    }

    /// The waiter gives its wait up: `false` if it has been completed.
    #[must_use = "a completed wait may have been given something"]
    pub(super) fn withdraw(&self) -> bool {
        self.0
            .compare_exchange(WAITING, WITHDRAWN, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}
