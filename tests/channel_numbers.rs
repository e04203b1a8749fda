//! Capacities and times at the ends of their ranges.

mod common;

use std::time::{Duration, Instant};

use common::{everywhere, until_parked};
use greenhub::channel::{
    RecvTimeoutError, Select, TryRecvError, TrySendError, after, at, bounded, select, tick,
    unbounded,
};

/// More than room is made for in advance.
const LARGE: usize = (1 << 16) + 1;

#[test]
fn a_capacity_that_no_memory_could_hold_is_never_reached() {
    everywhere(|_| {
        for capacity in [
            LARGE,
            1 << 40,
            usize::MAX / 2,
            usize::MAX / 2 + 2,
            usize::MAX - 1,
            usize::MAX,
        ] {
            let (sender, receiver) = bounded(capacity);
            assert_eq!(sender.capacity(), Some(capacity));
            for i in 0..1000 {
                assert_eq!(sender.try_send(i), Ok(()));
            }
            assert_eq!((sender.len(), receiver.len()), (1000, 1000));
            assert!(!sender.is_full() && !receiver.is_full() && !receiver.is_empty());
            select! {
                send(sender, 1000) -> sent => sent.unwrap(),
                default => panic!("there is room"),
            }
            assert!(receiver.try_iter().eq(0..=1000));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
        // Nothing has no size, but a number.
        let (sender, receiver) = bounded(usize::MAX);
        (0..100).for_each(|_| sender.send(()).unwrap());
        assert_eq!(receiver.try_iter().count(), 100);
    });
}

#[test]
fn a_large_capacity_is_kept_to_the_last_message() {
    everywhere(|kind| {
        for capacity in [LARGE - 1, LARGE] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|i| assert_eq!(sender.try_send(i), Ok(())));
            assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
            assert!(sender.is_full() && receiver.len() == capacity);
            let waiting = sender.clone();
            let waiting = kind.spawn(move || waiting.send(capacity));
            until_parked(waiting.greenlet());
            let mut list = Select::new();
            list.send(&sender);
            assert!(list.try_select().is_err() && list.try_ready().is_err());
            assert_eq!(receiver.recv(), Ok(0));
            waiting.join().unwrap().unwrap();
            assert!(sender.is_full());
            assert_eq!(receiver.recv(), Ok(1));
            let operation = list.select();
            assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
            operation.send(&sender, capacity + 1).unwrap();
            assert!(receiver.try_iter().eq(2..capacity + 2));
        }
    });
}

#[test]
fn rings_of_every_size_hold_what_they_say() {
    for capacity in 1..70 {
        let (sender, receiver) = bounded(capacity);
        for round in 0..5 {
            // The ring begins elsewhere each time.
            for i in 0..capacity {
                assert_eq!(sender.len(), i);
                assert_eq!(sender.try_send((round, i)), Ok(()));
            }
            assert_eq!(sender.len(), capacity);
            assert!(sender.is_full());
            assert!(sender.try_send((round, capacity)).unwrap_err().is_full());
            assert_eq!(receiver.recv(), Ok((round, 0)));
            assert!(!sender.is_full());
            sender.send((round, capacity)).unwrap();
            assert!(receiver.try_iter().eq((1..=capacity).map(|i| (round, i))));
            assert!(receiver.is_empty());
        }
    }
}

#[test]
fn an_unbounded_channel_counts_across_its_blocks() {
    let (sender, receiver) = unbounded();
    for len in 0..200 {
        assert_eq!(receiver.len(), len);
        sender.send(len).unwrap();
    }
    for taken in 0..200 {
        assert_eq!(sender.len(), 200 - taken);
        assert_eq!(receiver.try_recv(), Ok(taken));
    }
    assert!(receiver.is_empty());
}

#[test]
fn times_at_the_ends_of_time() {
    everywhere(|_| {
        let instant = Duration::from_millis(1);
        for never in [after(Duration::MAX), tick(Duration::MAX)] {
            assert_eq!(never.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(never.recv_timeout(instant), Err(RecvTimeoutError::Timeout));
            let chosen = select! {
                recv(never) -> _ => "never",
                recv(after(instant)) -> _ => "soon",
                default(Duration::MAX) => "at the end of time",
            };
            assert_eq!(chosen, "soon");
        }
        let always = tick(Duration::ZERO);
        let times: Vec<_> = always.iter().take(100).collect();
        assert!(times.is_sorted() && always.len() == 1);
        assert!(after(Duration::ZERO).try_recv().is_ok());
        assert!(at(Instant::now() - instant).try_recv().is_ok());
        let (sender, receiver) = bounded(1);
        assert_eq!(sender.send_timeout(1, Duration::MAX), Ok(()));
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(1));
        assert_eq!(
            receiver.recv_timeout(Duration::ZERO),
            Err(RecvTimeoutError::Timeout)
        );
    });
}
