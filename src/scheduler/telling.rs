//! The hub's side of a census: what its thread alone can tell.

use super::hub::Hub;
use super::question::{Answer, Queued};
use crate::greenlet::Greenlet;

/// A hub, between two slices: answers what it has been asked.
#[cold]
pub(crate) fn answer(hub: &Hub) {
    for question in hub.remote().questions().take() {
        question.reply(tell(hub));
    }
}

/// A hub that ends, and owns nothing any more: the same for the last time.
pub(crate) fn answer_last(hub: &Hub) {
    for question in hub.remote().questions().close() {
        question.reply(Answer::of_ended());
    }
}

/// What there is to tell of a hub that is between two slices, or runs the caller.
pub(crate) fn tell(hub: &Hub) -> Answer {
    let mut queued = Queued::default();
    hub.for_each_queued(|ready| queued.note(|| Greenlet::of(ready)));
    if hub.with_queue(|queue| queue.len() > 0) {
        // Somebody may have looked for what was in hand, even for a single one.
        hub.notify_of_push();
    }
    Answer {
        settled: hub.core(|core| core.owned.handles()),
        queued,
        ready: hub.settled_len(),
        stackless: hub.core(|core| core.stackless.iter().len()),
        ended: false,
    }
}
