//! What a `select` reserves and completes late, or never: `channel/buffered.rs`, `returned.rs`, `rendezvous.rs`, `meeting.rs`.
//!
//! A message is an `Arc` of loom's: one that is leaked, or dropped twice, is found at the end of a run.

use std::time::Instant;

use loom::sync::Arc;
use loom::thread;

use super::explore_within;
use crate::channel::{Channel, Zero};
use crate::wait::Me;

type Message = Arc<()>;

fn message() -> Message {
    Arc::new(())
}

/// Some point in time: the model says when it has passed.
fn limited() -> Option<Instant> {
    Some(Instant::now())
}

/// Another receiver comes to wait meanwhile.
#[test]
fn a_message_that_is_put_back_reaches_one_who_waits() {
    for channel in [Channel::bounded, Channel::large] {
        explore_within(3, move || {
            let channel = Arc::new(channel(1));
            let other = Arc::clone(&channel);
            Me::new().enter();
            assert!(channel.send(message(), None));
            let reserved = channel.reserve().unwrap();
            let receiver = thread::spawn(move || {
                Me::new().enter();
                assert!(other.recv(None).is_some());
            });
            reserved.put_back();
            receiver.join().unwrap();
            assert!(channel.try_recv().is_none());
        });
    }
}

/// Two wait for it, and the time of one of them ends.
#[test]
fn a_message_that_is_put_back_is_not_lost_to_one_whose_time_is_up() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(2));
        Me::new().enter();
        assert!(channel.send(message(), None));
        let reserved = channel.reserve().unwrap();
        let timed = Me::new();
        let (other, me) = (Arc::clone(&channel), timed.clone());
        let first = thread::spawn(move || {
            me.enter();
            other.recv(limited()).is_some()
        });
        let other = Arc::clone(&channel);
        let second = thread::spawn(move || {
            Me::new().enter();
            assert!(other.recv(None).is_some());
        });
        timed.end_time();
        reserved.put_back();
        if first.join().unwrap() {
            assert!(channel.send(message(), None));
        }
        second.join().unwrap();
        assert!(channel.try_recv().is_none());
    });
}

/// There are two messages, of which the second is found only when the first is there: who selects the first may wait for who
/// receives the second.
#[test]
fn one_who_selects_tells_the_next_before_it_receives() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(2));
        Me::new().enter();
        let late = channel.claim().unwrap();
        assert!(channel.send(message(), None));
        let other = Arc::clone(&channel);
        let receiver = thread::spawn(move || {
            Me::new().enter();
            assert!(other.recv(None).is_some());
        });
        let other = Arc::clone(&channel);
        let selects = thread::spawn(move || {
            Me::new().enter();
            let reserved = other.select().unwrap();
            receiver.join().unwrap();
            drop(reserved.take());
        });
        late.fill(message());
        selects.join().unwrap();
    });
}

/// Nobody receives: the room must be there for the sender that waits.
#[test]
fn a_place_that_is_given_up_is_room_for_one_who_waits() {
    for channel in [Channel::bounded, Channel::large] {
        explore_within(3, move || {
            let channel = Arc::new(channel(1));
            let other = Arc::clone(&channel);
            Me::new().enter();
            let claimed = channel.claim().unwrap();
            let sender = thread::spawn(move || {
                Me::new().enter();
                assert!(other.send(message(), None));
            });
            claimed.give_up();
            sender.join().unwrap();
            assert!(channel.try_recv().is_some());
        });
    }
}

/// Both claim, and give up in either order; another sender waits for the room of one.
#[test]
fn places_that_are_given_up_by_two_are_both_free() {
    explore_within(3, || {
        let channel = Arc::new(Channel::bounded(2));
        let other = Arc::clone(&channel);
        let claims = thread::spawn(move || other.claim().unwrap().give_up());
        channel.claim().unwrap().give_up();
        claims.join().unwrap();
        Me::new().enter();
        assert!(channel.send(message(), None));
        assert!(channel.send(message(), None));
        assert!(channel.claim().is_none());
    });
}

/// Whoever leaves a sender, or what it has brought, leaves it to the next.
#[test]
fn what_a_list_leaves_is_received_by_another() {
    explore_within(2, || {
        let channel = Arc::new(Zero::new());
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            Me::new().enter();
            assert!(other.send(message(), None).is_ok());
        });
        let other = Arc::clone(&channel);
        let selects = thread::spawn(move || {
            Me::new().enter();
            // If the message has gone to the other receiver, this finds that the channel is closed.
            if let Some(met) = other.select_recv() {
                met.receiver_leaves();
            }
        });
        Me::new().enter();
        assert!(channel.recv(None).is_some());
        channel.leave();
        sender.join().unwrap();
        selects.join().unwrap();
    });
}

/// A sender whose time may be up and a list that may leave: either both have met, or neither.
#[test]
fn a_sender_and_a_list_agree_on_whether_they_met() {
    for leaves in [false, true] {
        explore_within(3, move || {
            let channel = Arc::new(Zero::new());
            let timed = Me::new();
            let (other, me) = (Arc::clone(&channel), timed.clone());
            let sender = thread::spawn(move || {
                me.enter();
                let sent = other.send(message(), limited()).is_ok();
                other.leave();
                sent
            });
            Me::new().enter();
            timed.end_time();
            let received = match channel.select_recv() {
                None => false,
                Some(met) if leaves => {
                    met.receiver_leaves();
                    // What was brought is there; a sender that waits has been told.
                    channel.recv(None).is_some()
                }
                Some(met) => met.receive().is_some(),
            };
            assert_eq!(sender.join().unwrap(), received);
        });
    }
}

/// Two lists meet, and the receiver's leaves: the sender's sends to another.
#[test]
fn a_list_that_sends_is_left_and_finds_another() {
    explore_within(2, || {
        let channel = Arc::new(Zero::new());
        let other = Arc::clone(&channel);
        let sends = thread::spawn(move || {
            Me::new().enter();
            if let Some(message) = other.select_send().unwrap().bring(message()) {
                assert!(other.send(message, None).is_ok());
            }
        });
        let other = Arc::clone(&channel);
        let leaves = thread::spawn(move || {
            Me::new().enter();
            if let Some(met) = other.select_recv() {
                met.receiver_leaves();
            }
        });
        Me::new().enter();
        assert!(channel.recv(None).is_some());
        channel.leave();
        sends.join().unwrap();
        leaves.join().unwrap();
    });
}

/// The same with the sides exchanged.
#[test]
fn a_receiver_is_left_by_a_list_and_finds_another() {
    explore_within(2, || {
        let channel = Arc::new(Zero::new());
        let other = Arc::clone(&channel);
        let leaves = thread::spawn(move || {
            Me::new().enter();
            if let Some(met) = other.select_send() {
                met.sender_leaves();
            }
        });
        let other = Arc::clone(&channel);
        let selects = thread::spawn(move || {
            Me::new().enter();
            let met = other.select_recv().unwrap();
            assert!(met.receive().is_some() || other.recv(None).is_some());
            other.leave();
        });
        Me::new().enter();
        assert!(channel.send(message(), None).is_ok());
        selects.join().unwrap();
        leaves.join().unwrap();
    });
}

/// A block of the list is freed by the last who reads in it, in whatever order they do; the messages that nobody receives are
/// dropped with the list.
#[test]
fn a_list_is_read_by_several() {
    explore_within(2, || {
        let channel = Arc::new(Channel::unbounded());
        Me::new().enter();
        // Of a block's three slots the last is reserved here, and the others there.
        (0..5).for_each(|_| assert!(channel.send(message(), None)));
        let other = Arc::clone(&channel);
        let receiver = thread::spawn(move || {
            let reserved = other.reserve().unwrap();
            drop(other.try_recv().unwrap());
            drop(reserved.take());
        });
        drop(channel.try_recv().unwrap());
        drop(channel.try_recv().unwrap());
        receiver.join().unwrap();
    });
}

#[test]
fn a_list_is_begun_by_two_and_waited_for_by_one() {
    explore_within(2, || {
        let channel = Arc::new(Channel::unbounded());
        let senders = [(), ()].map(|()| {
            let channel = Arc::clone(&channel);
            thread::spawn(move || {
                Me::new().enter();
                assert!(channel.send(message(), None));
            })
        });
        Me::new().enter();
        assert!(channel.recv(None).is_some());
        assert!(channel.recv(None).is_some());
        senders.into_iter().for_each(|one| one.join().unwrap());
        assert!(channel.try_recv().is_none());
    });
}

#[test]
fn a_list_grows_while_it_is_read() {
    explore_within(2, || {
        let channel = Arc::new(Channel::unbounded());
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            Me::new().enter();
            (0..4).for_each(|i| assert!(other.send((i, message()), None)));
        });
        Me::new().enter();
        for i in 0..4 {
            assert_eq!(channel.recv(None).unwrap().0, i);
        }
        sender.join().unwrap();
    });
}

/// As for the bounded ones.
#[test]
fn what_is_sent_to_a_list_as_the_last_receiver_leaves_is_dropped_then() {
    explore_within(3, || {
        let channel = Arc::new(Channel::unbounded());
        let (other, kept) = (Arc::clone(&channel), message());
        let sent = Arc::clone(&kept);
        let sender = thread::spawn(move || {
            Me::new().enter();
            other.send(sent, None);
        });
        channel.leave_receiving();
        sender.join().unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}
