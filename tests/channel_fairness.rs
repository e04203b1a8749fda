//! Of the operations that are ready each is chosen as often as the others, however many are not, and wherever they stand.

mod common;

use common::both_kinds_on;
use greenhub::channel::{Receiver, Select, Sender, bounded, never, select, unbounded};

const ROUNDS: usize = 100_000;

/// Each of the shares of `ROUNDS` is within 5 % of what it should be.
#[track_caller]
fn assert_even(counts: &[usize], ready: &[usize]) {
    assert_eq!(counts.iter().sum::<usize>(), ROUNDS);
    for (at, count) in counts.iter().enumerate() {
        let expected = if ready.contains(&at) {
            ROUNDS / ready.len()
        } else {
            0
        };
        assert!(
            count.abs_diff(expected) <= expected / 20,
            "{at} of {ready:?}: {count}, not {expected}: {counts:?}"
        );
    }
}

/// A channel whose receives are always ready, and one whose never are.
fn over() -> Receiver<u8> {
    unbounded().1
}

/// Which of `cases` receives are ready: every kind of pattern that a start anywhere in a circle gets wrong.
const PATTERNS: [(usize, &[usize]); 7] = [
    (4, &[0, 1]),
    (4, &[2, 3]),
    (4, &[0, 3]),
    (3, &[0, 2]),
    (8, &[0, 1, 7]),
    (9, &[8, 0, 1, 2, 3]),
    (40, &[0, 39]),
];

#[test]
fn a_list_selects_evenly() {
    both_kinds_on(1, |_| {
        for (cases, ready) in PATTERNS {
            let receivers: Vec<_> = (0..cases)
                .map(|at| if ready.contains(&at) { over() } else { never() })
                .collect();
            let (mut selected, mut tried, mut found) =
                (vec![0; cases], vec![0; cases], vec![0; cases]);
            let mut list = Select::new();
            for receiver in &receivers {
                list.recv(receiver);
            }
            for _ in 0..ROUNDS {
                let operation = list.select();
                let index = operation.index();
                assert!(operation.recv(&receivers[index]).is_err());
                selected[index] += 1;
                let operation = list.try_select().unwrap();
                let index = operation.index();
                assert!(operation.recv(&receivers[index]).is_err());
                tried[index] += 1;
                found[list.ready()] += 1;
            }
            assert_even(&selected, ready);
            assert_even(&tried, ready);
            assert_even(&found, ready);
        }
    });
}

/// On a thread, and with a list that is new each time.
#[test]
fn select_selects_evenly() {
    let [one, two, three, four] = [over(), over(), never(), never()];
    let mut counts = [0; 4];
    for _ in 0..ROUNDS {
        counts[select! {
            recv(one) -> _ => 0,
            recv(two) -> _ => 1,
            recv(three) -> _ => 2,
            recv(four) -> _ => 3,
        }] += 1;
    }
    assert_even(&counts, &[0, 1]);
}

/// An operation that is there twice is chosen twice as often.
#[test]
fn duplicates_count() {
    let (one, other) = (over(), over());
    let mut counts = [0; 4];
    for _ in 0..ROUNDS {
        counts[select! {
            recv(one) -> _ => 0,
            recv(other) -> _ => 1,
            recv(one) -> _ => 2,
            recv(one) -> _ => 3,
        }] += 1;
    }
    assert_even(&counts, &[0, 1, 2, 3]);
}

/// Sends and receives that move messages.
#[test]
fn sends_and_receives_are_chosen_evenly() {
    for (sender, receiver) in [bounded(2), bounded(1 << 20), unbounded()] {
        let (full, _held) = bounded(1);
        full.send(0).unwrap();
        sender.send(0).unwrap();
        let mut counts = [0; 4];
        for _ in 0..ROUNDS {
            counts[exchange(&full, &sender, &receiver)] += 1;
            // One message is there again.
            match receiver.len() {
                0 => sender.send(0).unwrap(),
                2 => drop(receiver.recv()),
                _ => unreachable!("there was one, and one operation"),
            }
        }
        assert_even(&counts, &[0, 2]);
    }
}

fn exchange(full: &Sender<u8>, sender: &Sender<u8>, receiver: &Receiver<u8>) -> usize {
    select! {
        send(sender, 1) -> sent => { sent.unwrap(); 0 }
        send(full, 1) -> _ => 1,
        recv(receiver) -> message => { message.unwrap(); 2 }
        send(full, 1) -> _ => 3,
    }
}
