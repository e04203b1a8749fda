//! `channel/ring.rs`, `channel/buffered.rs` and `channel/rendezvous.rs`.
//!
//! A message is an `Arc` of loom's: one that is leaked, or dropped twice, is found at the end of a run.

use std::time::Instant;

use loom::sync::Arc;
use loom::thread;

use super::explore_within;
use crate::channel::{Channel, Zero};
use crate::greenlet::WaitKind;
use crate::wait::{Enqueue, Me, Outcome, wait_any};

type Message = Arc<()>;

fn message() -> Message {
    Arc::new(())
}

/// Some point in time: the model says when it has passed.
fn limited() -> Option<Instant> {
    Some(Instant::now())
}

#[test]
fn two_senders_with_room_for_one_message_wait_for_the_receiver() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(1));
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
fn a_receiver_waits_for_what_is_sent_and_a_sender_for_room() {
    explore_within(2, || {
        let channel = Arc::new(Channel::<Arc<u32>>::bounded(2));
        let other = Arc::clone(&channel);
        let receiver = thread::spawn(move || {
            Me::new().enter();
            assert_eq!(*other.recv(None).unwrap(), 1);
            assert_eq!(*other.recv(None).unwrap(), 2);
            assert_eq!(*other.recv(None).unwrap(), 3);
            assert!(other.recv(None).is_none(), "the sender is gone");
        });
        Me::new().enter();
        assert!(channel.send(Arc::new(1_u32), None));
        assert!(channel.send(Arc::new(2), None));
        assert!(channel.send(Arc::new(3), None));
        channel.leave_sending();
        receiver.join().unwrap();
    });
}

/// crossbeam-channel's RUSTSEC-2025-0024: the last receiver's drop and a send at the same time.
#[test]
fn what_is_sent_as_the_last_receiver_leaves_is_dropped_then() {
    explore_within(3, || {
        let channel = Arc::new(Channel::bounded(1));
        let (other, kept) = (Arc::clone(&channel), message());
        let sent = Arc::clone(&kept);
        let sender = thread::spawn(move || {
            Me::new().enter();
            other.send(sent, None);
        });
        channel.leave_receiving();
        sender.join().unwrap();
        // The channel is still there: a sender has it.
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

/// A sender that waits for room learns that nobody will make any.
#[test]
fn a_sender_that_waits_is_woken_as_the_last_receiver_leaves() {
    explore_within(3, || {
        let channel = Arc::new(Channel::bounded(1));
        Me::new().enter();
        assert!(channel.send(message(), None));
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            Me::new().enter();
            other.send(message(), None)
        });
        channel.leave_receiving();
        sender.join().unwrap();
        assert!(channel.try_recv().is_none());
    });
}

/// Two wait for one message, and the time of one of them ends.
#[test]
fn a_message_is_not_lost_to_a_receiver_whose_time_is_up() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(2));
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
        Me::new().enter();
        timed.end_time();
        assert!(channel.send(message(), None));
        if first.join().unwrap() {
            assert!(channel.send(message(), None));
        }
        second.join().unwrap();
        assert!(channel.try_recv().is_none());
    });
}

/// The second message is sent before the first, whose place was claimed earlier: both receivers must get one.
#[test]
fn a_place_that_is_filled_late_keeps_no_receiver_waiting() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(2));
        let receivers = [(), ()].map(|()| {
            let channel = Arc::clone(&channel);
            thread::spawn(move || {
                Me::new().enter();
                assert!(channel.recv(None).is_some());
            })
        });
        Me::new().enter();
        let place = channel.claim().unwrap();
        assert!(channel.send(message(), None));
        place.fill(message());
        receivers.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn a_place_that_is_given_up_hides_nothing() {
    explore_within(2, || {
        let channel = Arc::new(Channel::bounded(1));
        let other = Arc::clone(&channel);
        let receiver = thread::spawn(move || {
            Me::new().enter();
            assert!(other.recv(None).is_some());
        });
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            Me::new().enter();
            assert!(other.send(message(), None));
        });
        if let Some(place) = channel.claim() {
            place.give_up();
        }
        receiver.join().unwrap();
        sender.join().unwrap();
    });
}

/// As `channel/select.rs` does: what one was told of comes first.
fn receive_from_either(channels: [&Channel<Message>; 2]) -> Message {
    let mut first = 0;
    loop {
        let in_order = [channels[first], channels[1 - first]];
        if let Some(message) = in_order.iter().find_map(|channel| channel.try_recv()) {
            return message;
        }
        let cases: [(&dyn Enqueue, usize); 2] = [(channels[0], 0), (channels[1], 0)];
        first = match wait_any(&cases, WaitKind::Select, None) {
            Outcome::Ready(at) | Outcome::Completed(at, _) => at,
            Outcome::TimedOut => unreachable!("it has no deadline"),
        };
    }
}

/// A receiver and a `select` wait for the same channel, and the `select` for another one too.
#[test]
fn a_select_takes_one_message_and_leaves_the_other() {
    explore_within(2, || {
        let channels = [Arc::new(Channel::bounded(1)), Arc::new(Channel::bounded(1))];
        let both = channels.clone();
        let selects = thread::spawn(move || {
            Me::new().enter();
            drop(receive_from_either([&both[0], &both[1]]));
        });
        let other = Arc::clone(&channels[1]);
        let sender = thread::spawn(move || {
            Me::new().enter();
            assert!(other.send(message(), None));
        });
        Me::new().enter();
        assert!(channels[0].send(message(), None));
        selects.join().unwrap();
        sender.join().unwrap();
        let left = channels.iter().filter_map(|channel| channel.try_recv());
        assert_eq!(left.count(), 1);
    });
}

#[test]
fn a_message_goes_from_hand_to_hand() {
    explore_within(3, || {
        let channel = Arc::new(Zero::new());
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            Me::new().enter();
            assert!(other.send(message(), None).is_ok());
            other.leave();
        });
        Me::new().enter();
        assert!(channel.recv(None).is_some());
        assert!(channel.is_left());
        sender.join().unwrap();
    });
}

/// Either both succeed, or neither.
#[test]
fn sender_and_receiver_agree_on_whether_they_met_in_time() {
    explore_within(2, || {
        let channel = Arc::new(Zero::new());
        let timed = [Me::new(), Me::new()];
        let (other, me) = (Arc::clone(&channel), timed[0].clone());
        let sender = thread::spawn(move || {
            me.enter();
            other.send(message(), limited()).is_ok()
        });
        let (other, me) = (Arc::clone(&channel), timed[1].clone());
        let receiver = thread::spawn(move || {
            me.enter();
            other.recv(limited()).is_some()
        });
        timed.iter().for_each(Me::end_time);
        assert_eq!(sender.join().unwrap(), receiver.join().unwrap());
    });
}
