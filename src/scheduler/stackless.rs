//! Fresh greenlets for which there was no stack: the operating system refused to map another.
//!
//! They are tried again every few milliseconds, since others may end and give their stacks back. When for a whole second
//! no try has succeeded, they are given up, so that nobody waits for ever: `join` returns a panic that says why.

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
}

#[derive(Debug)]
struct LastTry {
    at: Instant,
    /// Since when every try has failed.
    failing_since: Instant,
    reason: String,
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
            at: now,
            failing_since,
            reason: error.to_string(),
        });
        self.waiting.push_back(ready);
    }

    /// Somebody has found one.
    #[inline]
    pub(crate) fn succeeded(&mut self) {
        if self.last.is_some() {
            self.last = None;
        }
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
                self.last = None;
                Some(Verdict::GiveUp(waiting(self), reason))
            }
            _ => Some(Verdict::Retry(waiting(self))),
        }
    }
}
