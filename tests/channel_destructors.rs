//! Messages that nobody receives, and whose destructors panic: all are dropped, each once, and one panic gets through.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use common::{OnDrop, Tally, everywhere, panic_of, until_parked};
use greenhub::channel::{Receiver, Select, Sender, bounded, select, unbounded};

/// Counts its drop, and panics.
struct Bomb {
    number: usize,
    drops: Tally,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.add();
        // Without a message on stderr.
        resume_unwind(Box::new(format!("bomb {}", self.number)));
    }
}

const BOMBS: usize = 40;

type Channel = (Sender<Bomb>, Receiver<Bomb>);

fn full(drops: &Tally) -> [Channel; 4] {
    let channels = [bounded(BOMBS), bounded(50), bounded(1 << 20), unbounded()];
    for (sender, _) in &channels {
        for number in 0..BOMBS {
            let drops = drops.clone();
            sender.try_send(Bomb { number, drops }).ok().unwrap();
        }
    }
    channels
}

/// What a caller is told who lets go of a channel full of bombs, and whether each was dropped.
#[track_caller]
fn assert_one_panic(drops: &Tally, count: usize, dropped: impl FnOnce()) {
    let before = drops.get();
    assert_eq!(panic_of(dropped), "bomb 0", "the first panic goes on");
    assert_eq!(drops.get() - before, count);
}

#[test]
fn the_last_receiver_hears_of_the_first_and_drops_them_all() {
    everywhere(|_| {
        let drops = Tally::new();
        for (sender, receiver) in full(&drops) {
            assert_one_panic(&drops, BOMBS, || drop(receiver));
            // Sending is possible no more, and drops nothing.
            drop(sender);
            assert_eq!(drops.get() % BOMBS, 0);
        }
    });
}

#[test]
fn so_does_whoever_drops_the_channel() {
    everywhere(|_| {
        let drops = Tally::new();
        for (sender, receiver) in full(&drops) {
            drop(sender);
            assert_one_panic(&drops, BOMBS, || drop(receiver));
        }
    });
}

/// An array of channels is dropped by one unwinding: a second panic would end the process.
#[test]
fn a_caller_that_is_unwinding_already_drops_them_all_and_hears_of_none() {
    everywhere(|_| {
        let drops = Tally::new();
        let channels = full(&drops);
        let all = channels.len() * BOMBS;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _channels = channels;
            resume_unwind(Box::new("the caller's own"));
        }));
        let payload = panicked.unwrap_err();
        assert_eq!(common::text(&*payload), "the caller's own");
        assert_eq!(drops.get(), all);
    });
}

/// A sender that finds out that nobody will receive what it has just sent.
#[test]
fn a_sender_whose_receivers_leave_meanwhile_drops_each_once() {
    const ROUNDS: usize = if cfg!(debug_assertions) { 200 } else { 2000 };
    let drops = Tally::new();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let (sender, receiver) = if round % 2 == 0 {
            bounded(64)
        } else {
            unbounded()
        };
        std::thread::scope(|s| {
            let sending = s.spawn(|| {
                let mut sent = 0;
                while sent < 100 {
                    let drops = drops.clone();
                    let bomb = Bomb { number: 0, drops };
                    match catch_unwind(AssertUnwindSafe(|| sender.try_send(bomb))) {
                        Ok(Ok(())) => sent += 1,
                        Ok(Err(error)) => {
                            let full = error.is_full();
                            std::mem::forget(error);
                            if !full {
                                break;
                            }
                        }
                        // It was sent, and dropped with the others.
                        Err(_) => sent += 1,
                    }
                }
                sent
            });
            for _ in 0..round % 70 {
                if let Ok(bomb) = receiver.recv() {
                    assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
                }
            }
            let _ = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
            sent += sending.join().unwrap();
        });
        drop(sender);
        assert_eq!(drops.get(), sent);
    }
}

/// What was selected and left is dropped as well, in the channel without capacity, too.
#[test]
fn bombs_that_were_put_back_are_dropped_with_the_others() {
    everywhere(|kind| {
        let drops = Tally::new();
        for (sender, receiver) in full(&drops) {
            let mut list = Select::new();
            list.recv(&receiver);
            assert!(panic_of(|| list.select().index()).contains("without completing"));
            drop(list);
            let before = drops.get();
            assert!(panic_of(|| drop(receiver)).starts_with("bomb "));
            assert_eq!(drops.get() - before, BOMBS);
            drop(sender);
        }
        let (sender, receiver) = bounded(0);
        let listening = kind.spawn({
            let receiver = receiver.clone();
            move || {
                let mut list = Select::new();
                list.recv(&receiver);
                panic_of(|| list.select().index());
            }
        });
        until_parked(listening.greenlet());
        let bomb = Bomb {
            number: 0,
            drops: drops.clone(),
        };
        sender.send(bomb).ok().unwrap();
        listening.join().unwrap();
        assert_one_panic(&drops, 1, || drop(receiver));
    });
}

/// The payload of a panic may panic as well when it is dropped.
#[test]
fn payloads_that_panic_end_nothing() {
    struct Nested(Tally);
    impl Drop for Nested {
        fn drop(&mut self) {
            let drops = self.0.clone();
            drops.add();
            resume_unwind(Box::new(OnDrop(move || {
                drops.add();
                resume_unwind(Box::new("nested"));
            })));
        }
    }
    let drops = Tally::new();
    let (sender, receiver) = unbounded();
    for _ in 0..3 {
        sender.send(Nested(drops.clone())).ok().unwrap();
    }
    let payload = catch_unwind(AssertUnwindSafe(|| drop(receiver))).unwrap_err();
    // Three messages, and the payloads of two.
    assert_eq!(drops.get(), 5);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
}

/// A destructor that uses the channel in which it was.
#[test]
fn a_destructor_may_send_and_select() {
    struct Sends(Sender<Sends>, Tally);
    impl Drop for Sends {
        fn drop(&mut self) {
            self.1.add();
            let another = Sends(self.0.clone(), self.1.clone());
            let back = select! {
                send(self.0, another) -> sent => sent.unwrap_err().into_inner(),
                default => unreachable!("it is closed"),
            };
            std::mem::forget(back);
        }
    }
    everywhere(|_| {
        for (sender, receiver) in [bounded(2), bounded(1 << 20), unbounded()] {
            let drops = Tally::new();
            for _ in 0..2 {
                let message = Sends(sender.clone(), drops.clone());
                sender.send(message).ok().unwrap();
            }
            drop(receiver);
            assert_eq!(drops.get(), 2);
        }
    });
}
