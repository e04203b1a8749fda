//! Channels whose messages come from the clock. Nothing runs for them: a receiver looks at the time itself.

use std::time::{Duration, Instant};

use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::sync::Mutex;
use crate::wait::{has_passed, park};

/// One message, at a point in time. `None` for the time: never.
#[derive(Debug)]
pub(super) struct Once {
    at: Option<Instant>,
    taken: AtomicBool,
}

/// A message every so often. A receiver that comes late gets one, and the next is due a period later.
#[derive(Debug)]
pub(super) struct Ticks {
    next: Mutex<Option<Instant>>,
    period: Duration,
}

/// The clock of one channel.
#[derive(Debug)]
pub(super) enum Clock {
    Once(Once),
    Ticks(Ticks),
}

impl Clock {
    /// One message.
    pub(super) fn once(at: Option<Instant>) -> Clock {
        Clock::Once(Once {
            at,
            taken: AtomicBool::new(false),
        })
    }

    /// A message every `period`.
    pub(super) fn ticks(period: Duration) -> Clock {
        Clock::Ticks(Ticks {
            next: Mutex::new(Instant::now().checked_add(period)),
            period,
        })
    }

    /// When the next message is due; `None`: never.
    pub(super) fn next(&self) -> Option<Instant> {
        match self {
            Clock::Once(once) => once.at.filter(|_| !once.taken.load(Ordering::Relaxed)),
            Clock::Ticks(ticks) => *ticks.next.lock(),
        }
    }

    /// The message that is due, if one is: the time for which it was.
    pub(super) fn take(&self) -> Option<Instant> {
        let now = Instant::now();
        match self {
            Clock::Once(once) => {
                let due = once.at.filter(|at| *at <= now)?;
                // Relaxed: the flag alone decides who gets it.
                (!once.taken.swap(true, Ordering::Relaxed)).then_some(due)
            }
            Clock::Ticks(ticks) => {
                let mut next = ticks.next.lock();
                let due = next.filter(|at| *at <= now)?;
                *next = now.checked_add(ticks.period);
                Some(due)
            }
        }
    }

    /// A message is due.
    pub(super) fn is_due(&self) -> bool {
        self.next().is_some_and(|at| at <= Instant::now())
    }

    /// Waits for a message until the deadline.
    #[track_caller]
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Instant> {
        loop {
            if let Some(due) = self.take() {
                return Some(due);
            }
            if has_passed(deadline) {
                return None;
            }
            let until = [self.next(), deadline].into_iter().flatten().min();
            park(WaitKind::Receive, until);
        }
    }
}
