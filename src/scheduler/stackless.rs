//! Fresh greenlets for which there was no stack: the operating system refused to map another.
//!
//! They are tried again every few milliseconds, since others may end and give their stacks back. When for a whole second
//! no try has succeeded, they are given up, so that nobody waits for ever: `join` returns a panic that says why. A greenlet on
//! the lane's [`Reserve`](super::reserve::Reserve) sees to that. Who begins next has to refill it first.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::greenlet::Ready;

/// Between two tries.
pub(crate) const RETRY: Duration = Duration::from_millis(10);

/// After so long without a success they are given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// One hub's.
#[derive(Debug, Default)]
pub(crate) struct Stackless {
    waiting: VecDeque<Ready>,
    last: Option<LastTry>,
    /// The lane's reserve was taken for greenlets of this hub, and has not been refilled.
    owes_reserve: bool,
}

#[derive(Debug)]
struct LastTry {
    at: Instant,
    /// Since when every try has failed.
    failing_since: Instant,
    reason: String,
}

impl LastTry {
    /// The first to fail.
    fn new(at: Instant, reason: String) -> LastTry {
        LastTry {
            at,
            failing_since: at,
            reason,
        }
    }
}

/// What is to become of those that waited.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// They have another try.
    Retry(VecDeque<Ready>),
    /// They have waited for too long, for this reason.
    GiveUp(VecDeque<Ready>, String),
}

impl Stackless {
    /// Nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those who wait.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Ready> {
        self.waiting.iter()
    }

    /// A greenlet that has found no stack.
    pub(crate) fn push(&mut self, ready: Ready, error: &io::Error) {
        let now = Instant::now();
        let failing_since = self.last.as_ref().map_or(now, |last| last.failing_since);
        self.last = Some(LastTry {
            failing_since,
            ..LastTry::new(now, error.to_string())
        });
        self.waiting.push_back(ready);
    }

    /// Somebody has found one. `true`: the reserve has to be refilled first.
    #[inline]
    #[must_use = "nobody begins before the reserve is full"]
    pub(crate) fn succeeded(&mut self) -> bool {
        self.last.is_some() && self.end_of_failing()
    }

    #[cold]
    fn end_of_failing(&mut self) -> bool {
        if !self.owes_reserve {
            self.last = None;
        }
        self.owes_reserve
    }

    /// Those who were to be given up cannot be yet.
    pub(crate) fn wait_on(&mut self, waiting: VecDeque<Ready>) {
        self.waiting.extend(waiting);
    }

    /// The reserve has been taken for those who waited here.
    pub(crate) fn borrow_reserve(&mut self) {
        self.owes_reserve = true;
    }

    /// It is full again.
    pub(crate) fn return_reserve(&mut self) {
        self.owes_reserve = false;
        self.last = None;
    }

    /// Those who wait, when it is time to do something for them.
    pub(crate) fn due(&mut self) -> Option<Verdict> {
        if self.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        let waiting = |this: &mut Stackless| std::mem::take(&mut this.waiting);
        match &self.last {
            Some(last) if now - last.at < RETRY => None,
            Some(last) if now - last.failing_since >= PATIENCE => {
                let reason = last.reason.clone();
                // Those that come now have a second of their own.
                self.last = Some(LastTry::new(now, reason.clone()));
                Some(Verdict::GiveUp(waiting(self), reason))
            }
            _ => Some(Verdict::Retry(waiting(self))),
        }
    }
}
