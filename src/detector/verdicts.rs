//! What was reported since the last `Runtime::run` ended, for detectors that deny it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::primitive::sync::{Condvar, Mutex};

/// So many texts are kept; the rest is counted.
const MOST: usize = 8;

/// How long the end of a run waits for reports that are being written: they may wait for a slow hook.
const PATIENCE: Duration = Duration::from_secs(10);

/// The texts, and how many are still to come.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    state: Mutex<State>,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    expected: usize,
    texts: Vec<String>,
    untold: usize,
}

impl Verdicts {
    /// A report is going to be written.
    pub(crate) fn expect(&self) {
        self.state.lock().expected += 1;
    }

    /// It has been written, or will not be.
    pub(crate) fn settle(&self, text: Option<String>) {
        let mut state = self.state.lock();
        state.expected -= 1;
        match text {
            Some(text) if state.texts.len() < MOST => state.texts.push(text),
            _ => state.untold += 1,
        }
        drop(state);
        self.written.notify_all();
    }

    /// Everything that was reported, taken away; `None` if that is nothing. Waits for reports that are being written.
    pub(crate) fn take(&self) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock();
        while state.expected > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.written.wait_timeout(state, left);
        }
        let mut text = std::mem::take(&mut state.texts).join("\n");
        let untold = std::mem::take(&mut state.untold) + state.expected;
        if untold > 0 {
            // A `String` takes everything.
            let _ = write!(text, "\ngreenhub: and {untold} more");
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Verdicts};

    #[test]
    fn what_was_reported_is_taken_once() {
        let verdicts = Verdicts::default();
        assert_eq!(verdicts.take(), None);
        for text in ["one", "two"] {
            verdicts.expect();
            verdicts.settle(Some(String::from(text)));
        }
        assert_eq!(verdicts.take().as_deref(), Some("one\ntwo"));
        assert_eq!(verdicts.take(), None);
    }

    #[test]
    fn a_report_that_is_being_written_is_waited_for() {
        let verdicts = Verdicts::default();
        verdicts.expect();
        std::thread::scope(|scope| {
            scope.spawn(|| verdicts.settle(Some(String::from("late"))));
            assert_eq!(verdicts.take().as_deref(), Some("late"));
        });
    }

    #[test]
    fn very_many_are_counted() {
        let verdicts = Verdicts::default();
        for _ in 0..MOST + 3 {
            verdicts.expect();
            verdicts.settle(Some(String::from("again")));
        }
        let text = verdicts.take().unwrap();
        assert!(text.ends_with("and 3 more"), "{text}");
    }
}
