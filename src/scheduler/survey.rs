//! A question that is put to several hubs, and answered by each between two of its slices.
//!
//! What a hub's thread alone may touch, it alone can tell of. Whoever wants to know (the *asker*, any thread) leaves a
//! question with the hub and notifies it; the hub looks for questions as part of its maintenance, which is a single
//! load, and gives its answer into a [`Survey`] that both hold. A hub that is stuck in one slice does not answer, so the
//! asker waits for a limited time only.
//!
//! # Invariants
//!
//! 1. **No question is overlooked.** It is in the list, and the flag raised, before the asker notifies. Every hub looks at
//!    the flag after each time that it was blocked, so after it has taken the notify; a hub that is awake looks every 61
//!    turns at the latest.
//! 2. **No question outlives its hub.** A hub that ends closes its list under the list's lock: a question is either in
//!    it by then, and is handed back to be answered, or is refused.
//! 3. **The last answer wakes the asker**, and nothing else does: whether an answer is the last is decided under the
//!    survey's lock. The asker leaves whom to wake under that lock, and only if answers are missing then.
//! 4. **An answer that comes too late is dropped.** [`Survey::close`] takes the answers out; later ones go nowhere. The
//!    hub never waits for the asker.

use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::sync::Mutex;

/// Where questions for one hub are left.
#[derive(Debug)]
pub(crate) struct Questions<Q> {
    /// There is one in the list: spares the hub the lock.
    asked: AtomicBool,
    list: Mutex<List<Q>>,
}

#[derive(Debug)]
struct List<Q> {
    waiting: Vec<Q>,
    /// The hub has ended.
    closed: bool,
}

impl<Q> Questions<Q> {
    /// None, of a hub that runs.
    pub(crate) fn new() -> Questions<Q> {
        Questions {
            asked: AtomicBool::new(false),
            list: Mutex::new(List {
                waiting: Vec::new(),
                closed: false,
            }),
        }
    }

    /// Any thread: leaves a question. The hub must be notified then.
    ///
    /// # Errors
    ///
    /// The question, if the hub has ended.
    pub(crate) fn ask(&self, question: Q) -> Result<(), Q> {
        let mut list = self.list.lock();
        if list.closed {
            return Err(question);
        }
        list.waiting.push(question);
        // Relaxed: the list is read under the lock. For the hub that blocks, the notify publishes it.
        self.asked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The hub: there may be a question.
    #[inline]
    pub(crate) fn are_there(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The hub: what has been asked.
    pub(crate) fn take(&self) -> Vec<Q> {
        let mut list = self.list.lock();
        // Under the lock: whoever asks next raises it again.
        self.asked.store(false, Ordering::Relaxed);
        std::mem::take(&mut list.waiting)
    }

    /// The hub, when it ends: the last questions. From now on none is taken.
    #[must_use = "the last questions must be answered"]
    pub(crate) fn close(&self) -> Vec<Q> {
        let mut list = self.list.lock();
        list.closed = true;
        std::mem::take(&mut list.waiting)
    }
}

/// The answers of several hubs, each with a place of its own. `W` is whom to wake.
#[derive(Debug)]
pub(crate) struct Survey<A, W> {
    inner: Mutex<Inner<A, W>>,
}

#[derive(Debug)]
struct Inner<A, W> {
    answers: Vec<Option<A>>,
    missing: usize,
    asker: Option<W>,
    closed: bool,
}

impl<A, W> Survey<A, W> {
    /// For so many hubs, none of which has answered.
    pub(crate) fn new(hubs: usize) -> Survey<A, W> {
        Survey {
            inner: Mutex::new(Inner {
                answers: (0..hubs).map(|_| None).collect(),
                missing: hubs,
                asker: None,
                closed: false,
            }),
        }
    }

    /// A hub, once: its answer. Whom to wake is handed back, if all have answered.
    #[must_use = "the asker waits for the last answer"]
    pub(crate) fn answer(&self, place: usize, answer: A) -> Option<W> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return None;
        }
        inner.answers[place] = Some(answer);
        inner.missing -= 1;
        if inner.missing == 0 {
            inner.asker.take()
        } else {
            None
        }
    }

    /// The asker: all have answered. If not, `asker` will be handed to the last one.
    pub(crate) fn is_complete(&self, asker: W) -> bool {
        let mut inner = self.inner.lock();
        if inner.missing > 0 {
            inner.asker = Some(asker);
        }
        inner.missing == 0
    }

    /// The asker: that hub has answered.
    pub(crate) fn has_answered(&self, place: usize) -> bool {
        self.inner.lock().answers[place].is_some()
    }

    /// The asker: the answers so far. Later ones are dropped.
    pub(crate) fn close(&self) -> Vec<Option<A>> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.asker = None;
        std::mem::take(&mut inner.answers)
    }
}
