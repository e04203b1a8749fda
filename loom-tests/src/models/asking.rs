//! A question to a signal handler (`detector/capture/linux/mailbox.rs`): the handler answers what was asked, and nobody reads
//! what it is still writing.
//!
//! Caught: a question, or an answer, that is not published, or not acquired; an asker that gives up on a handler at work; a
//! handler that answers although the asker has given up; a mailbox that is emptied before the answer has been read.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::detector::mailbox::Mailbox;

type Questions = Mailbox<u32, u32>;

/// The handler: the answer to a question is twice that number. It is written in two steps, of which nobody may see the
/// first.
fn handle(mailbox: &Questions) {
    mailbox.answer(|question, answer| {
        *answer = 0;
        *answer = 2 * question;
    });
}

/// Asks, and loses patience after so many looks.
fn ask(mailbox: &Questions, question: u32, mut patience: u32) -> Option<u32> {
    mailbox.ask(question)?.wait(
        || {
            thread::yield_now();
            patience = patience.saturating_sub(1);
            patience > 0
        },
        |answer| *answer,
    )
}

#[test]
fn the_answer_is_that_to_the_question_asked() {
    explore(|| {
        let mailbox = Arc::new(Questions::new(0, 0));
        let handler = {
            let mailbox = Arc::clone(&mailbox);
            // Two signals, of which either may come late.
            thread::spawn(move || {
                handle(&mailbox);
                handle(&mailbox);
            })
        };
        for question in [3, 4] {
            let answer = ask(&mailbox, question, 1);
            assert!(
                answer.is_none() || answer == Some(2 * question),
                "{answer:?}"
            );
        }
        handler.join().unwrap();
        // Whatever has become of the others, the mailbox is empty, and one more is answered.
        let asking = mailbox.ask(5).expect("nobody asks");
        handle(&mailbox);
        assert_eq!(asking.wait(|| true, |answer| *answer), Some(10));
    });
}

#[test]
fn two_who_ask_do_not_get_each_others_answers() {
    explore(|| {
        let mailbox = Arc::new(Questions::new(0, 0));
        let other = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                if let Some(asking) = mailbox.ask(7) {
                    handle(&mailbox);
                    assert_eq!(asking.wait(|| true, |answer| *answer), Some(14));
                }
            })
        };
        if let Some(asking) = mailbox.ask(8) {
            handle(&mailbox);
            assert_eq!(asking.wait(|| true, |answer| *answer), Some(16));
        }
        other.join().unwrap();
    });
}

#[test]
fn what_was_asked_about_is_not_looked_at_after_the_asker_has_gone_on() {
    explore(|| {
        // The question refers to something of the asker's, which only the protocol keeps there.
        struct Lent(loom::cell::UnsafeCell<u32>);
        // SAFETY: loom reports it if two threads touch it at once.
        unsafe impl Sync for Lent {}
        // SAFETY: as above.
        unsafe impl Send for Lent {}
        let lent = Arc::new(Lent(loom::cell::UnsafeCell::new(1)));
        let mailbox = Arc::new(Questions::new(0, 0));
        let handler = {
            let (mailbox, lent) = (Arc::clone(&mailbox), Arc::clone(&lent));
            thread::spawn(move || {
                mailbox.answer(|_, answer| {
                    // SAFETY: the question stands.
                    *answer = lent.0.with(|value| unsafe { *value });
                });
            })
        };
        let answer = ask(&mailbox, 3, 1);
        assert!(answer.is_none() || answer == Some(1));
        // SAFETY: nobody looks at it any more.
        lent.0.with_mut(|value| unsafe { *value = 0 });
        handler.join().unwrap();
    });
}
