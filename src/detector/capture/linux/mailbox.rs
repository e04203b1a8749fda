//! One question at a time, asked by any thread and answered by a signal handler of another.
//!
//! ```text
//!            ask                      the handler begins             the handler is done
//!   EMPTY ─────────▶ WRITING ─▶ ASKED ─────────────────▶ TAKEN ─────────────────────▶ ANSWERED
//!     ▲                           │                                                      │
//!     └───────── gives up ────────┴────────────────────── has read the answer ───────────┘
//! ```
//!
//! The invariant: the question belongs to the asker in WRITING and to the handler in TAKEN; the answer belongs to the
//! handler in TAKEN and to the asker in ANSWERED. So a handler that comes late, when the asker has given up, finds nothing
//! to do, and never writes into an answer that somebody reads.
//!
//! An asker may give up while its question is ASKED, and only then. In TAKEN it waits for as long as it takes: the handler
//! takes no lock and waits for nobody, so it will be done. That is what lets a question refer to something that the asker
//! has only borrowed.

use crate::primitive::atomic::{AtomicU8, Ordering};
use crate::primitive::cell::UnsafeCell;

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const ASKED: u8 = 2;
const TAKEN: u8 = 3;
const ANSWERED: u8 = 4;

/// A place for one question and its answer.
#[derive(Debug)]
pub(crate) struct Mailbox<Q, A> {
    word: AtomicU8,
    question: UnsafeCell<Q>,
    answer: UnsafeCell<A>,
}

// SAFETY: the word says who may touch the question and the answer, one thread at a time.
unsafe impl<Q: Send, A: Send> Sync for Mailbox<Q, A> {}

impl<Q: Copy, A> Mailbox<Q, A> {
    /// An empty one. What is in it is overwritten before anybody sees it.
    pub(crate) fn new(question: Q, answer: A) -> Mailbox<Q, A> {
        Mailbox {
            word: AtomicU8::new(EMPTY),
            question: UnsafeCell::new(question),
            answer: UnsafeCell::new(answer),
        }
    }

    /// Asks; `None` if another thread's question is here.
    pub(crate) fn ask(&self, question: Q) -> Option<Asking<'_, Q, A>> {
        // Acquire: pairs with the Release that emptied it. What was read of the last question and answer comes before.
        self.word
            .compare_exchange(EMPTY, WRITING, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // SAFETY: in WRITING the question is ours.
        self.question.with_mut(|place| unsafe { *place = question });
        // Release: pairs with the handler's Acquire; it sees the question.
        self.word.store(ASKED, Ordering::Release);
        Some(Asking { mailbox: self })
    }

    /// The handler: answers the question by filling in the place of the answer, if there is a question. Async-signal-safe
    /// if `answer` is.
    pub(crate) fn answer(&self, answer: impl FnOnce(Q, &mut A)) {
        // Acquire: pairs with the Release of `ask`.
        if self
            .word
            .compare_exchange(ASKED, TAKEN, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        // SAFETY: in TAKEN both are the handler's.
        let question = self.question.with_mut(|place| unsafe { *place });
        // SAFETY: as above.
        self.answer
            .with_mut(|place| answer(question, unsafe { &mut *place }));
        // Release: pairs with the Acquire in `wait`; the asker sees the whole answer.
        self.word.store(ANSWERED, Ordering::Release);
    }
}

/// A question that has been asked.
#[derive(Debug)]
#[must_use = "a question that nobody waits for stays in the mailbox"]
pub(crate) struct Asking<'a, Q, A> {
    mailbox: &'a Mailbox<Q, A>,
}

impl<Q, A> Asking<'_, Q, A> {
    /// Waits for the answer and gives it to `read`; `None` if `pause`, which is called as often as there is none yet, loses
    /// its patience (says `false`) before the handler has begun.
    pub(crate) fn wait<R>(
        self,
        mut pause: impl FnMut() -> bool,
        read: impl FnOnce(&A) -> R,
    ) -> Option<R> {
        let word = &self.mailbox.word;
        // Acquire: pairs with the Release of `answer`.
        while word.load(Ordering::Acquire) != ANSWERED {
            // Release: pairs with the Acquire of `ask`; the next asker may overwrite the question.
            if !pause()
                && word
                    .compare_exchange(ASKED, EMPTY, Ordering::Release, Ordering::Relaxed)
                    .is_ok()
            {
                return None;
            }
        }
        // SAFETY: in ANSWERED the answer is the asker's.
        let result = self
            .mailbox
            .answer
            .with_mut(|place| read(unsafe { &*place }));
        // Release: as above, and the handler may overwrite the answer.
        word.store(EMPTY, Ordering::Release);
        Some(result)
    }
}
