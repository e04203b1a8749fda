//! Questions to hubs, and their answers (`scheduler/survey.rs`): none is overlooked, the last answer wakes the asker, and a
//! hub that ends or answers too late does no harm.
//!
//! Caught: a question that the hub is not told of; the flag lowered after the list was taken; a list that is not
//! closed; an asker that is not left for the last one to answer; a last answer that wakes nobody; an answer after the
//! end.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::bell::Bell;
use crate::scheduler::survey::{Questions, Survey};

/// What a hub is asked: whose survey it is, and which place in it is the hub's.
type Question = (Arc<Survey<usize, Arc<Bell>>>, usize);

struct Hub {
    questions: Questions<Question>,
    /// The hub's poller.
    notify: Bell,
}

impl Hub {
    fn new() -> Arc<Hub> {
        Arc::new(Hub {
            questions: Questions::new(),
            notify: Bell::new(),
        })
    }

    /// `worker::maintain`, as far as it concerns questions: how many there were.
    fn maintain(&self) -> usize {
        if !self.questions.are_there() {
            return 0;
        }
        let questions = self.questions.take();
        let count = questions.len();
        questions.into_iter().for_each(reply);
        count
    }

    /// A hub that blocks after each look, until it has answered so many.
    fn answer(&self, count: usize) {
        let mut answered = self.maintain();
        while answered < count {
            self.notify.wait();
            answered += self.maintain();
        }
    }

    /// `shutdown::clear_queues`.
    fn end(&self) {
        self.questions.close().into_iter().for_each(reply);
    }

    /// The asker's part.
    fn ask(&self, question: Question) {
        match self.questions.ask(question) {
            Ok(()) => self.notify.ring(),
            Err(question) => reply(question),
        }
    }
}

fn reply((survey, place): Question) {
    if let Some(asker) = survey.answer(place, place + 10) {
        asker.ring();
    }
}

#[test]
fn a_hub_that_idles_answers_and_its_answer_wakes_the_asker() {
    explore(|| {
        let hub = Hub::new();
        let asker = thread::spawn({
            let hub = Arc::clone(&hub);
            move || {
                let survey = Arc::new(Survey::new(1));
                hub.ask((Arc::clone(&survey), 0));
                let bell = Arc::new(Bell::new());
                while !survey.is_complete(Arc::clone(&bell)) {
                    bell.wait();
                }
                assert_eq!(survey.close(), [Some(10)]);
            }
        });
        hub.answer(1);
        asker.join().unwrap();
    });
}

#[test]
fn two_askers_both_get_their_answers() {
    explore(|| {
        let hub = Hub::new();
        let ask = |hub: &Arc<Hub>| {
            let survey = Arc::new(Survey::new(1));
            hub.ask((Arc::clone(&survey), 0));
            survey
        };
        let other = thread::spawn({
            let hub = Arc::clone(&hub);
            move || ask(&hub)
        });
        let hubs_thread = thread::spawn({
            let hub = Arc::clone(&hub);
            move || hub.answer(2)
        });
        let mine = ask(&hub);
        hubs_thread.join().unwrap();
        assert_eq!(mine.close(), [Some(10)]);
        assert_eq!(other.join().unwrap().close(), [Some(10)]);
    });
}

#[test]
fn the_last_of_two_hubs_wakes_the_asker() {
    explore(|| {
        let survey = Arc::new(Survey::new(2));
        let hubs = [0, 1].map(|place| {
            let survey = Arc::clone(&survey);
            thread::spawn(move || reply((survey, place)))
        });
        let bell = Arc::new(Bell::new());
        while !survey.is_complete(Arc::clone(&bell)) {
            bell.wait();
        }
        assert_eq!(survey.close(), [Some(10), Some(11)]);
        hubs.into_iter().for_each(|hub| hub.join().unwrap());
    });
}

#[test]
fn a_question_that_races_with_the_hubs_end_is_answered_or_refused() {
    explore(|| {
        let hub = Hub::new();
        let ending = thread::spawn({
            let hub = Arc::clone(&hub);
            move || {
                hub.maintain();
                hub.end();
            }
        });
        let survey = Arc::new(Survey::new(1));
        hub.ask((Arc::clone(&survey), 0));
        let bell = Arc::new(Bell::new());
        while !survey.is_complete(Arc::clone(&bell)) {
            bell.wait();
        }
        ending.join().unwrap();
    });
}

#[test]
fn an_answer_is_counted_or_too_late() {
    explore(|| {
        let survey = Arc::new(Survey::<usize, Arc<Bell>>::new(2));
        let hub = thread::spawn({
            let survey = Arc::clone(&survey);
            move || reply((survey, 1))
        });
        // The asker's time is up.
        let _ = survey.has_answered(1);
        let answers = survey.close();
        assert!(answers == [None, Some(11)] || answers == [None, None]);
        hub.join().unwrap();
    });
}
