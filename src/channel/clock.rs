//! Channels whose messages come from the clock. Nothing runs for them: a receiver looks at the time itself.

use std::time::{Duration, Instant};

use crate::greenlet::WaitKind;
use crate::primitive::sync::Mutex;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited, has_passed};

/// The clock of one channel.
#[derive(Debug)]
pub(super) struct Clock {
    /// When the next message is due; `None`: never.
    next: Mutex<Option<Instant>>,
    /// From a message that is taken to the next; `None`: there is one message.
    period: Option<Duration>,
    /// Those who wait. They wake by themselves when a message is due; they are told only of one that was put back.
    waiters: WaitQueue<()>,
}

impl Clock {
    /// One message. `None` for the time: never.
    pub(super) fn once(at: Option<Instant>) -> Clock {
        Clock::new(at, None)
    }

    /// A message every `period`. A receiver that comes late gets one, and the next is due a period later.
    pub(super) fn ticks(period: Duration) -> Clock {
        Clock::new(Instant::now().checked_add(period), Some(period))
    }

    fn new(next: Option<Instant>, period: Option<Duration>) -> Clock {
        Clock {
            next: Mutex::new(next),
            period,
            waiters: WaitQueue::new(()),
        }
    }

    /// When the next message is due; `None`: never.
    pub(super) fn next(&self) -> Option<Instant> {
        *self.next.lock()
    }

    /// The message that is due, if one is: the time for which it was.
    pub(super) fn take(&self) -> Option<Instant> {
        let mut next = self.next.lock();
        let at = (*next)?;
        let now = Instant::now();
        (at <= now).then(|| {
            *next = self.period.and_then(|period| now.checked_add(period));
            at
        })
    }

    /// A message that was taken is there again.
    pub(super) fn put_back(&self, at: Instant) {
        let mut next = self.next.lock();
        *next = Some(next.map_or(at, |next| next.min(at)));
        drop(next);
        self.pass_on();
    }

    /// A message is due.
    pub(super) fn is_due(&self) -> bool {
        has_passed(self.next())
    }

    /// Tells one of those who wait to look again.
    pub(super) fn pass_on(&self) {
        self.waiters.lock().complete_first(Token::Retry);
    }

    /// Waits among others for a message to be put back.
    pub(super) fn link(&self, node: &Node) -> bool {
        self.waiters.link(node);
        self.is_due()
    }

    /// Waits no longer.
    pub(super) fn unlink(&self, node: &Node) {
        self.waiters.unlink(node);
    }

    /// Waits for a message until the deadline.
    #[track_caller]
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Instant> {
        loop {
            if let Some(due) = self.take() {
                return Some(due);
            }
            let until = [self.next(), deadline].into_iter().flatten().min();
            let look = |_: &mut Locked<'_, ()>, _: &Node| self.is_due().then_some(());
            let wait = Wait::new(WaitKind::Receive, until);
            if self.waiters.wait(wait, look, |_| ()) == Waited::TimedOut && has_passed(deadline) {
                return self.take();
            }
        }
    }
}
