//! What a hub is asked for a census, and what it answers.

use super::survey::Survey;
use crate::greenlet::{Greenlet, Unparker};
use crate::primitive::sync::Arc;

/// How many greenlets that have not started a queue tells of. There may be millions, and the hub has other work.
const MOST_QUEUED: usize = 100_000;

/// The answers of a runtime's hubs.
pub(crate) type Answers = Survey<Answer, Unparker>;

/// A question to one hub.
#[derive(Debug)]
pub(crate) struct Question {
    /// Where the answer goes.
    pub(crate) answers: Arc<Answers>,
    /// The hub's place there.
    pub(crate) place: usize,
}

/// What a hub has told between two slices.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The settled greenlets that have started here and not ended.
    pub(crate) settled: Vec<Greenlet>,
    /// What is in its queues and could be told of.
    pub(crate) queued: Queued,
    /// How many settled ones are ready.
    pub(crate) ready: usize,
    /// How many wait for a stack.
    pub(crate) stackless: usize,
    /// The hub will run nothing any more.
    pub(crate) ended: bool,
}

impl Answer {
    /// That of a hub that has ended.
    pub(crate) fn of_ended() -> Answer {
        Answer {
            ended: true,
            ..Answer::default()
        }
    }
}

/// Greenlets found in queues.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    pub(crate) greenlets: Vec<Greenlet>,
    /// More than these.
    pub(crate) untold: usize,
}

impl Queued {
    /// One more.
    pub(crate) fn note(&mut self, greenlet: impl FnOnce() -> Greenlet) {
        if self.greenlets.len() < MOST_QUEUED {
            self.greenlets.push(greenlet());
        } else {
            self.untold += 1;
        }
    }
}

impl Question {
    /// Gives the hub's answer.
    pub(crate) fn reply(self, answer: Answer) {
        if let Some(asker) = self.answers.answer(self.place, answer) {
            asker.unpark();
        }
    }
}
