//! What may break off a wait: time limits, and the shields that hold kills and limits back.
//!
//! A limit lies on the stack of the call that set it, and its waits look at the clock themselves: so a limit needs neither
//! a place in the greenlet's state nor a protocol, and ends with the call.

use std::cell::Cell;
use std::ptr;
use std::time::Instant;

use crate::primitive::atomic::{AtomicU64, Ordering};

/// What ends the wait during which a limit passes. Implemented by whoever knows of timers.
pub(crate) trait Alert {
    /// Has the caller woken at `at`, unless this is dropped before.
    fn set(&self, at: Instant);
}

/// One call's time limit. Lies on its caller's stack, at one address.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    id: LimitId,
    deadline: Instant,
    /// The limit of a call around this one, or null.
    outer: Cell<*const TimeLimit>,
    /// Not set before the first wait: most calls that have a limit do not wait.
    alert: *const dyn Alert,
    /// It has been set, and so have those of all limits around this one.
    is_set: Cell<bool>,
    /// It has been delivered.
    delivered: Cell<bool>,
}

impl TimeLimit {
    /// A limit that is not in force yet.
    pub(crate) fn new<A: Alert + 'static>(deadline: Instant, alert: &A) -> TimeLimit {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        TimeLimit {
            // Relaxed: the numbers need only differ.
            id: LimitId(NEXT.fetch_add(1, Ordering::Relaxed)),
            deadline,
            outer: Cell::new(ptr::null()),
            alert: ptr::from_ref(alert),
            is_set: Cell::new(false),
            delivered: Cell::new(false),
        }
    }

    /// Tells this limit from the others that are in force.
    pub(crate) fn id(&self) -> LimitId {
        self.id
    }
}

/// Names a limit. No other has the same: a payload that was caught and kept means nothing to a later call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitId(u64);

/// What breaks off a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The greenlet has been killed.
    Kill,
    /// A time limit has passed: of several, the outermost.
    Expired(LimitId),
}

/// One greenlet's, or one OS thread's. Touched by its owner alone, while it runs.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// The innermost limit in force.
    innermost: Cell<*const TimeLimit>,
    shields: Cell<u32>,
    /// The kill that is due has been delivered, and caught.
    kill_delivered: Cell<bool>,
}

impl Interrupts {
    /// No limit, no shield.
    pub(crate) const fn none() -> Interrupts {
        Interrupts {
            innermost: Cell::new(ptr::null()),
            shields: Cell::new(0),
            kill_delivered: Cell::new(false),
        }
    }

    /// Some limit is in force, or was raised over by a shield.
    #[inline(always)]
    pub(crate) fn has_limits(&self) -> bool {
        !self.innermost.get().is_null()
    }

    /// The outermost limit that has passed, if nothing shields from it.
    pub(crate) fn expired(&self, now: Instant) -> Option<LimitId> {
        if self.shields.get() > 0 {
            return None;
        }
        self.limits()
            .filter(|limit| limit.deadline <= now)
            .last()
            .map(TimeLimit::id)
    }

    /// The owner is about to unwind with this, which is due. `true`: not for the first time.
    pub(crate) fn note_delivery(&self, interrupt: Interrupt) -> bool {
        match interrupt {
            Interrupt::Kill => self.kill_delivered.replace(true),
            Interrupt::Expired(id) => self
                .limits()
                .find(|limit| limit.id == id)
                .is_some_and(|limit| limit.delivered.replace(true)),
        }
    }

    /// The kill that was due is not any more: the next one is another.
    pub(crate) fn forget_kill(&self) {
        self.kill_delivered.set(false);
    }

    /// When the first of the limits passes, if nothing shields from it.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        if self.shields.get() > 0 {
            return None;
        }
        self.limits().map(|limit| limit.deadline).min()
    }

    fn limits(&self) -> impl Iterator<Item = &TimeLimit> {
        // SAFETY: a limit in force lies on the owner's stack, below the caller, until `leave`.
        let at = |limit: *const TimeLimit| unsafe { limit.as_ref() };
        std::iter::successors(at(self.innermost.get()), move |limit| at(limit.outer.get()))
    }

    /// The owner is about to wait: has it woken when a limit passes.
    #[cold]
    pub(crate) fn set_alerts(&self) {
        for limit in self.limits().take_while(|limit| !limit.is_set.get()) {
            limit.is_set.set(true);
            // SAFETY: the alert of a limit in force is there until `leave`.
            unsafe { &*limit.alert }.set(limit.deadline);
        }
    }

    /// From now on `limit` is in force.
    ///
    /// # Safety
    ///
    /// It and its alert must stay where they are until [`Interrupts::leave`], and limits must be left in the reverse order.
    pub(crate) unsafe fn enter(&self, limit: &TimeLimit) {
        limit
            .outer
            .set(self.innermost.replace(ptr::from_ref(limit)));
    }

    /// The innermost limit is no longer in force.
    pub(crate) fn leave(&self, limit: &TimeLimit) {
        debug_assert!(ptr::eq(self.innermost.get(), limit));
        self.innermost.set(limit.outer.get());
    }

    /// One more shield.
    pub(crate) fn raise_shield(&self) {
        self.shields.set(self.shields.get() + 1);
    }

    /// One shield fewer: `true` if it was the last.
    pub(crate) fn lower_shield(&self) -> bool {
        self.shields.set(self.shields.get() - 1);
        self.shields.get() == 0
    }
}
