//! To select is to reserve: what is selected on one thread is moved by those whose channel it is, or by nobody.

mod common;

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use common::{
    Kind, Tally, everywhere, panic_of, runtime, settled_everywhere, until_parked, until_parked_in,
};
use greenhub::channel::{
    Receiver, Select, SelectedOperation, Sender, TryRecvError, TrySendError, after, bounded,
    select, unbounded,
};

/// Bound to its thread, which it checks when it is dropped.
struct Bound {
    made_on: ThreadId,
    number: u32,
    drops: Tally,
    _not_send: PhantomData<*const ()>,
}

impl Bound {
    fn new(number: u32, drops: &Tally) -> Bound {
        Bound {
            made_on: thread::current().id(),
            number,
            drops: drops.clone(),
            _not_send: PhantomData,
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        assert_eq!(self.made_on, thread::current().id(), "dropped elsewhere");
        self.drops.add();
    }
}

/// Channels that hold messages: of room made in advance, of room made as they come, of any room.
fn holding<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(2), bounded(3), bounded(1 << 20), unbounded()]
}

/// Selects and does not complete what was selected; as the docs say, that panics.
fn abandon(select: impl FnOnce() -> usize) {
    let dropped = panic_of(select);
    assert!(dropped.contains("without completing"), "{dropped}");
}

/// Selects on another thread, which has nothing but the list, and abandons it there.
fn abandon_elsewhere(mut list: Select<'_>) {
    thread::scope(|s| {
        s.spawn(move || abandon(|| list.select().index()));
    });
}

#[test]
fn a_list_is_used_by_a_thread_to_which_the_messages_may_not_go() {
    for (sender, receiver) in holding() {
        let drops = Tally::new();
        for number in 0..2 {
            assert!(sender.send(Bound::new(number, &drops)).is_ok());
        }
        let mut list = Select::new();
        list.recv(&receiver);
        abandon_elsewhere(list.clone());
        assert_eq!((receiver.len(), drops.get()), (2, 0));
        thread::scope(|s| {
            let ready = s.spawn(move || list.ready());
            assert_eq!(ready.join().unwrap(), 0);
        });
        let numbers: Vec<_> = receiver.try_iter().map(|bound| bound.number).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(drops.get(), 2);
    }
}

/// The sender waits with its message, on a greenlet of the receiver's thread, and goes on waiting.
#[test]
fn a_message_that_waits_to_be_handed_over_is_not_moved_by_another_thread() {
    settled_everywhere(|| {
        let (sender, receiver) = bounded(0);
        let drops = Tally::new();
        let bound = Bound::new(7, &drops);
        let sending = greenhub::spawn_local(move || sender.send(bound).is_ok());
        until_parked(sending.greenlet());
        let mut list = Select::new();
        list.recv(&receiver);
        abandon_elsewhere(list);
        assert_eq!(drops.get(), 0);
        assert_eq!(receiver.recv().ok().map(|bound| bound.number), Some(7));
        assert!(sending.join().unwrap());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn an_rc_is_counted_by_its_thread_alone() {
    for (sender, receiver) in holding() {
        let kept = Rc::new(Cell::new(1));
        sender.send(Rc::clone(&kept)).unwrap();
        thread::scope(|s| {
            let mut list = Select::new();
            list.recv(&receiver);
            s.spawn(move || {
                for _ in 0..1000 {
                    abandon(|| list.select().index());
                }
            });
            for _ in 0..100_000 {
                drop(Rc::clone(&kept));
            }
        });
        assert_eq!(Rc::strong_count(&kept), 2);
        assert!(Rc::ptr_eq(&receiver.try_recv().unwrap(), &kept));
    }
}

/// A place that is given up on another thread leaves it to the channel's own to drop what nobody will receive.
#[test]
fn a_place_that_is_given_up_elsewhere_drops_nothing_there() {
    for (sender, receiver) in [bounded(2), bounded(3), bounded(1 << 20), unbounded()] {
        let drops = Tally::new();
        thread::scope(|s| {
            let (selected, is_selected) = bounded(0);
            let (leave, may_leave) = bounded::<()>(0);
            let mut list = Select::new();
            list.send(&sender);
            s.spawn(move || {
                abandon(|| {
                    let operation = list.select();
                    selected.send(()).unwrap();
                    may_leave.recv().unwrap();
                    operation.index()
                });
            });
            is_selected.recv().unwrap();
            // Behind that place.
            assert!(sender.send(Bound::new(1, &drops)).is_ok());
            drop(receiver);
            leave.send(()).unwrap();
        });
        drop(sender);
        assert_eq!(drops.get(), 1);
    }
}

/// What is selected is nobody else's, and somebody else's when it is abandoned.
#[test]
fn a_message_that_is_put_back_goes_to_one_who_waits() {
    everywhere(|kind| {
        for (sender, receiver) in holding() {
            sender.send(5).unwrap();
            let mut list = Select::new();
            list.recv(&receiver);
            let operation = list.select();
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            let waiting = receiver.clone();
            let waiting = kind.spawn(move || waiting.recv());
            until_parked(waiting.greenlet());
            abandon(move || operation.index());
            assert_eq!(waiting.join().unwrap(), Ok(5));
            assert_eq!((receiver.len(), receiver.is_empty()), (0, true));
        }
    });
}

#[test]
fn messages_that_are_put_back_come_first_and_in_their_order() {
    for (sender, receiver) in [bounded(4), bounded(1 << 20), unbounded()] {
        (0..4).for_each(|i| sender.send(i).unwrap());
        let mut list = Select::new();
        list.recv(&receiver);
        let mut other = list.clone();
        let (first, second) = (list.select(), other.select());
        assert_eq!((receiver.len(), receiver.recv()), (2, Ok(2)));
        abandon(move || second.index());
        abandon(move || first.index());
        assert_eq!(receiver.len(), 3);
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 3]);
    }
}

#[test]
fn a_place_that_is_given_up_is_room_again_at_once() {
    everywhere(|kind| {
        for capacity in [1, 2, 3] {
            let (sender, receiver) = bounded(capacity);
            (1..capacity).for_each(|i| sender.send(i).unwrap());
            let mut list = Select::new();
            list.send(&sender);
            let operation = list.select();
            assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
            let waiting = sender.clone();
            let waiting = kind.spawn(move || waiting.send(8));
            until_parked(waiting.greenlet());
            abandon(move || operation.index());
            waiting.join().unwrap().unwrap();
            assert!(sender.is_full());
            let expected: Vec<_> = (1..capacity).chain([8]).collect();
            assert_eq!(receiver.try_iter().collect::<Vec<_>>(), expected);
        }
    });
}

/// One that is not the last to have been claimed is free when the receivers have come to it.
#[test]
fn an_earlier_place_that_is_given_up_is_passed_over() {
    let (sender, receiver) = bounded(3);
    for round in 0..10 {
        let mut list = Select::new();
        list.send(&sender);
        let operation = list.select();
        sender.send(round).unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "not yet");
        abandon(move || operation.index());
        assert_eq!((receiver.len(), receiver.recv()), (1, Ok(round)));
        (0..3).for_each(|i| sender.send(i).unwrap());
        assert_eq!(receiver.try_iter().count(), 3);
    }
}

#[test]
fn a_sender_that_was_selected_and_left_goes_on_waiting() {
    everywhere(|kind| {
        let (sender, receiver) = bounded(0);
        let late = sender.clone();
        let sending = kind.spawn(move || sender.send(1));
        until_parked(sending.greenlet());
        let mut list = Select::new();
        list.recv(&receiver);
        let operation = list.select();
        // Chosen is not received.
        until_parked_in(sending.greenlet(), "send");
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        abandon(move || operation.index());
        assert_eq!(receiver.recv(), Ok(1));
        sending.join().unwrap().unwrap();
        assert_eq!(late.try_send(2), Err(TrySendError::Full(2)));
    });
}

/// Its time may be up by then: the message comes back.
#[test]
fn a_sender_whose_time_is_up_while_it_is_selected_learns_of_it_afterwards() {
    everywhere(|kind| {
        let (sender, receiver) = bounded(0);
        let sending = kind.spawn(move || sender.send_timeout(1, Duration::from_millis(20)));
        until_parked(sending.greenlet());
        let mut list = Select::new();
        list.recv(&receiver);
        let operation = list.select();
        let out_of_time = after(Duration::from_millis(25));
        out_of_time.recv().unwrap();
        assert!(!sending.is_finished());
        abandon(move || operation.index());
        let error = sending.join().unwrap().unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.into_inner(), 1);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

/// A send to a list that waits is done: what the list then leaves is the channel's.
#[test]
fn what_was_sent_to_a_list_that_leaves_it_goes_to_the_next_receiver() {
    everywhere(|kind| {
        for next_waits in [true, false] {
            let (sender, receiver) = bounded(0);
            let (selected, is_selected) = bounded(1);
            let gate = common::Gate::new();
            let listening = kind.spawn({
                let (receiver, gate) = (receiver.clone(), gate.clone());
                move || {
                    abandon(|| {
                        let mut list = Select::new();
                        list.recv(&receiver);
                        let operation = list.select();
                        selected.send(()).unwrap();
                        gate.pass();
                        operation.index()
                    });
                }
            });
            until_parked(listening.greenlet());
            sender.try_send(3).unwrap();
            is_selected.recv().unwrap();
            let next = receiver.clone();
            let next = kind.spawn(move || next.recv());
            if next_waits {
                until_parked(next.greenlet());
            }
            gate.open();
            assert_eq!(next.join().unwrap(), Ok(3));
            listening.join().unwrap();
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
    });
}

/// Whoever is left by a list that was to send, or to receive, finds another.
#[test]
fn two_lists_that_meet_may_both_be_left() {
    everywhere(|kind| {
        let (sender, receiver) = bounded(0);
        let receives = {
            let receiver = receiver.clone();
            move || {
                let mut list = Select::new();
                list.recv(&receiver);
                list.select().recv(&receiver)
            }
        };
        let sends = {
            let sender = sender.clone();
            move |message| {
                let mut list = Select::new();
                list.send(&sender);
                list.select().send(&sender, message)
            }
        };
        // The receiver's list waits; the sender's leaves it; another sender comes.
        let receiving = kind.spawn(receives.clone());
        until_parked(receiving.greenlet());
        let mut list = Select::new();
        list.send(&sender);
        abandon(|| list.select().index());
        sends(1).unwrap();
        assert_eq!(receiving.join().unwrap(), Ok(1));
        // The sender's list waits; the receiver's leaves it; another receiver comes.
        let sending = kind.spawn(move || sends(2));
        until_parked(sending.greenlet());
        let mut list = Select::new();
        list.recv(&receiver);
        abandon(|| list.select().index());
        assert_eq!(receives(), Ok(2));
        sending.join().unwrap().unwrap();
    });
}

#[test]
fn a_time_that_is_put_back_comes_again() {
    everywhere(|kind| {
        let time = after(Duration::from_millis(1));
        let mut list = Select::new();
        list.recv(&time);
        let operation = list.select();
        assert_eq!(time.try_recv(), Err(TryRecvError::Empty));
        let waiting = [(); 2].map(|()| {
            let time = time.clone();
            kind.spawn(move || {
                select! {
                    recv(time) -> at => at.is_ok(),
                    recv(after(Duration::from_millis(500))) -> _ => false,
                }
            })
        });
        waiting.iter().for_each(|one| until_parked(one.greenlet()));
        abandon(move || operation.index());
        let received = waiting.map(|one| one.join().unwrap());
        assert_eq!(received.iter().filter(|got| **got).count(), 1);
    });
}

/// A list that waits takes what its first counterpart brings.
#[test]
fn a_list_that_waits_is_woken_by_whoever_comes_first() {
    common::both_kinds_on(1, |kind| {
        for capacity in [0, 1, 2] {
            for last in 0..3 {
                let channels: Vec<_> = (0..3).map(|_| bounded(capacity)).collect();
                let receivers: Vec<Receiver<usize>> = channels
                    .iter()
                    .map(|(_, receiver)| receiver.clone())
                    .collect();
                let waiting = kind.spawn(move || {
                    let mut list = Select::new();
                    for receiver in &receivers {
                        list.recv(receiver);
                    }
                    let operation = list.select();
                    let index = operation.index();
                    (index, operation.recv(&receivers[index]))
                });
                until_parked(waiting.greenlet());
                let first = (last + 1) % 3;
                let mut sent = [first, (last + 2) % 3, last].into_iter();
                channels[first].0.try_send(sent.next().unwrap()).unwrap();
                for other in sent {
                    // It has been found already.
                    let _ = channels[other].0.try_send(other);
                }
                assert_eq!(waiting.join().unwrap(), (first, Ok(first)));
            }
        }
    });
}

#[test]
fn the_order_of_those_that_are_biased_outlasts_a_removal() {
    let channels: Vec<_> = (0..4).map(|_| unbounded()).collect();
    let mut list = Select::new_biased();
    for (sender, receiver) in &channels {
        sender.send(()).unwrap();
        list.recv(receiver);
    }
    list.remove(0);
    assert_eq!(list.ready(), 1);
    list.remove(2);
    assert_eq!(list.ready(), 1);
}

#[test]
fn there_may_be_32_cases() {
    macro_rules! of_all {
        ($receivers:ident; $($number:literal)*) => {
            select! {
                $(recv($receivers[$number]) -> message => message.map(|()| $number),)*
                default => Ok(99),
            }
        };
    }
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..32).map(|_| unbounded()).unzip();
    let selected = || {
        of_all!(
            receivers; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
        )
    };
    assert_eq!(selected(), Ok(99));
    senders[31].send(()).unwrap();
    assert_eq!(selected(), Ok(31));
}

/// Is it `Send`, is it `Sync`? (Where it is, an inherent constant is found before the trait's.)
macro_rules! is {
    ($bound:ident, $type:ty) => {{
        #[allow(dead_code, reason = "where the bound holds")]
        trait Fallback {
            const IS: bool = false;
        }
        impl<T: ?Sized> Fallback for T {}
        struct Asked<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "where the bound does not hold")]
        impl<T: ?Sized + $bound> Asked<T> {
            const IS: bool = true;
        }
        <Asked<$type>>::IS
    }};
}

#[test]
fn what_may_go_to_other_threads_is_as_in_crossbeam() {
    use greenhub::channel::{
        IntoIter, Iter, ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError,
        SendError, SendTimeoutError, TryIter, TryReadyError, TrySelectError,
    };
    use std::panic::{RefUnwindSafe, UnwindSafe};
    macro_rules! both {
        ($may:expr, $($type:ty),* $(,)?) => {
            $(
                assert_eq!(is!(Send, $type), $may, "{}: Send", stringify!($type));
                assert_eq!(is!(Sync, $type), $may, "{}: Sync", stringify!($type));
            )*
        };
    }
    // A cell may go to another thread, but not be shared: that is enough.
    both!(
        true,
        Sender<Cell<u8>>,
        Receiver<Cell<u8>>,
        Iter<'static, Cell<u8>>
    );
    both!(true, TryIter<'static, Cell<u8>>, IntoIter<Cell<u8>>);
    both!(
        false,
        Sender<Rc<u8>>,
        Receiver<Rc<u8>>,
        Iter<'static, Rc<u8>>
    );
    both!(false, TryIter<'static, Rc<u8>>, IntoIter<Rc<u8>>);
    both!(true, Select<'static>);
    both!(false, SelectedOperation<'static>);
    both!(true, SendError<u8>, TrySendError<u8>, SendTimeoutError<u8>);
    both!(
        false,
        SendError<Rc<u8>>,
        TrySendError<Rc<u8>>,
        SendTimeoutError<Rc<u8>>
    );
    both!(
        true,
        RecvError,
        TryRecvError,
        RecvTimeoutError,
        TrySelectError
    );
    both!(true, SelectTimeoutError, TryReadyError, ReadyTimeoutError);
    assert!(is!(UnwindSafe, Sender<&'static Cell<u8>>) && is!(RefUnwindSafe, Sender<Cell<u8>>));
    assert!(is!(UnwindSafe, Receiver<&'static Cell<u8>>) && is!(RefUnwindSafe, Receiver<Cell<u8>>));
    assert!(is!(UnwindSafe, IntoIter<Cell<u8>>) && is!(UnwindSafe, Iter<'static, Cell<u8>>));
    assert!(!is!(UnwindSafe, Select<'static>) && is!(Clone, Select<'static>));
}

/// An operation that is never completed leaks its message, as crossbeam's does, and nothing else goes wrong.
#[test]
fn an_operation_may_be_forgotten() {
    let runtime = runtime(1);
    runtime.run(|| {
        for (sender, receiver) in holding() {
            sender.send(Box::new(1)).unwrap();
            sender.send(Box::new(2)).unwrap();
            let mut list = Select::new();
            list.recv(&receiver);
            std::mem::forget(list.select());
            assert_eq!(receiver.recv(), Ok(Box::new(2)));
        }
        let (sender, receiver) = bounded(0);
        let receiving = Kind::Settled.spawn({
            move || {
                let mut list = Select::new();
                list.recv(&receiver);
                std::mem::forget(list.select());
            }
        });
        until_parked(receiving.greenlet());
        sender.send(Box::new(1)).unwrap();
        receiving.join().unwrap();
    });
}
