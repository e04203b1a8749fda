//! The library's wait queue, with doubles of what it waits with: a model's thread sleeps on its bell, and the model says when
//! its deadline has passed and when it has been killed.
#![allow(
    dead_code,
    unused_imports,
    reason = "the models use a part of each file"
)]

#[path = "../../../src/wait/wait_queue/mod.rs"]
mod wait_queue;

pub(crate) use interrupt::{Shield, deliver, deliver_due};
pub(crate) use park::{Me, deadline_after};
pub(crate) use wait_queue::{
    Enqueue, Given, Locked, Node, Outcome, Token, Wait, WaitQueue, Waited, wait_any,
};

/// `wait/park.rs`, and who the model's threads are.
pub(crate) mod park {
    use std::cell::RefCell;
    use std::time::{Duration, Instant};

    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    use crate::bell::Bell;
    use crate::greenlet::WaitKind;

    /// One of the model's threads, as those see it who wake it, end its time, or kill it.
    #[derive(Clone, Debug)]
    pub(crate) struct Me(Arc<Inner>);

    #[derive(Debug)]
    struct Inner {
        bell: Bell,
        late: AtomicBool,
        killed: AtomicBool,
        /// Its own affair.
        shielded: std::sync::atomic::AtomicBool,
    }

    loom::thread_local! {
        static ME: RefCell<Option<Me>> = RefCell::new(None);
    }

    impl Me {
        pub(crate) fn new() -> Me {
            Me(Arc::new(Inner {
                bell: Bell::new(),
                late: AtomicBool::new(false),
                killed: AtomicBool::new(false),
                shielded: std::sync::atomic::AtomicBool::new(false),
            }))
        }

        /// The calling thread is this one.
        pub(crate) fn enter(&self) {
            ME.with(|me| *me.borrow_mut() = Some(self.clone()));
        }

        pub(crate) fn current() -> Me {
            ME.with(|me| me.borrow().clone().expect("it has entered"))
        }

        pub(crate) fn ring(&self) {
            self.0.bell.ring();
        }

        /// The timer: its deadline has passed.
        pub(crate) fn end_time(&self) {
            self.0.late.store(true, Ordering::Release);
            self.ring();
        }

        pub(crate) fn kill(&self) {
            self.0.killed.store(true, Ordering::Release);
            self.ring();
        }

        pub(crate) fn may_be_stopped(&self) -> bool {
            self.0.killed.load(Ordering::Acquire) && !self.0.shielded.load(Ordering::Relaxed)
        }

        pub(crate) fn shield(&self, raised: bool) {
            self.0.shielded.store(raised, Ordering::Relaxed);
        }
    }

    pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
        deadline.is_some() && Me::current().0.late.load(Ordering::Acquire)
    }

    /// The model says when it has passed.
    pub(crate) fn deadline_after(_: Duration) -> Option<Instant> {
        Some(Instant::now())
    }

    pub(crate) fn park_quietly(_: WaitKind, _: Option<Instant>) {
        Me::current().0.bell.wait();
    }
}

/// `wait/interrupt.rs`.
pub(crate) mod interrupt {
    use super::park::Me;
    use crate::greenlet::Interrupt;

    pub(crate) fn due() -> Option<Interrupt> {
        Me::current().may_be_stopped().then_some(Interrupt::Kill)
    }

    /// The models see how a wait ended, and unwind by themselves if at all.
    pub(crate) fn deliver_due() {}

    pub(crate) fn deliver(_: Interrupt) -> ! {
        unreachable!("a model that kills waits quietly")
    }

    /// `wait/shield.rs`.
    pub(crate) struct Shield;

    impl Shield {
        pub(crate) fn raise() -> Shield {
            Me::current().shield(true);
            Shield
        }
    }

    impl Drop for Shield {
        fn drop(&mut self) {
            Me::current().shield(false);
        }
    }
}

/// `wait/unparker.rs`.
pub(crate) mod unparker {
    use super::park::Me;
    use crate::greenlet::Unparker;

    pub(crate) fn current_unparker() -> Unparker {
        Unparker(Me::current())
    }
}

/// `wait/yielding.rs`: the models have nobody to give way to, but what is due is delivered there, by unwinding.
pub(crate) mod yielding {
    use super::interrupt::{deliver, due};

    pub(crate) fn give_way() {
        if let Some(interrupt) = due() {
            deliver(interrupt);
        }
    }
}

/// `wait/quiet_yield.rs`.
pub(crate) mod quiet_yield {
    pub(crate) fn give_way_quietly() {}
}

pub(crate) use yielding::give_way;

/// A model's thread is no greenlet, and has no more patience than one.
pub(crate) fn in_greenlet() -> bool {
    false
}
