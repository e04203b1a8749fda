//! What messages cost: `cargo bench --bench channel`. Beside the channels of others: `cargo run --release -p greenhub-peers`.

mod support;

use criterion::{Criterion, Throughput};
use greenhub::channel::{Receiver, Select, Sender, bounded, unbounded};
use support::{Kind, add, in_every_setting, timed};

const SENDERS: u64 = 4;
const SELECTED: usize = 8;

type Channel = (Sender<u64>, Receiver<u64>);

fn alone(criterion: &mut Criterion) {
    in_every_setting(criterion, "send and receive, alone", |group, setting| {
        for (name, channel) in [("bounded(1)", bounded(1)), ("unbounded", unbounded())] {
            add(group, setting, name, move |_, iterations| {
                let (sender, receiver): Channel = channel;
                timed(iterations, || {
                    sender.send(1).expect("there is a receiver");
                    receiver.recv().expect("there is a message");
                })
            });
        }
    });
}

fn ping_pong(criterion: &mut Criterion) {
    in_every_setting(criterion, "channel ping-pong", |group, setting| {
        for (name, capacity) in [("bounded(0)", 0), ("bounded(1)", 1)] {
            add(group, setting, name, move |kind, trips| {
                let (there, arrived) = bounded(capacity);
                let (back, returned) = bounded(capacity);
                let partner = kind.spawn(move || {
                    for trip in arrived {
                        back.send(trip).expect("it is waited for");
                    }
                });
                let mut trip = 0_u64;
                let elapsed = timed(trips, || {
                    there.send(trip).expect("it is waited for");
                    assert_eq!(returned.recv(), Ok(trip));
                    trip += 1;
                });
                drop(there);
                partner.join().expect("it does not panic");
                elapsed
            });
        }
    });
}

fn many_to_one(criterion: &mut Criterion) {
    in_every_setting(criterion, "4 senders, a receiver", |group, setting| {
        group.throughput(Throughput::Elements(SENDERS));
        for (name, capacity) in [("bounded(1024)", Some(1024)), ("unbounded", None)] {
            add(group, setting, name, move |kind, rounds| {
                let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
                timed(1, || {
                    for _ in 0..SENDERS {
                        send_all(kind, sender.clone(), rounds);
                    }
                    let received = receiver.iter().take((SENDERS * rounds) as usize);
                    assert_eq!(received.count() as u64, SENDERS * rounds);
                })
            });
        }
    });
}

fn select(criterion: &mut Criterion) {
    in_every_setting(criterion, "select", |group, setting| {
        group.throughput(Throughput::Elements(SELECTED as u64));
        add(group, setting, "over 8", |kind, rounds| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..SELECTED).map(|_| bounded::<u64>(128)).unzip();
            timed(1, || {
                for sender in &senders {
                    send_all(kind, sender.clone(), rounds);
                }
                for _ in 0..SELECTED as u64 * rounds {
                    let mut select = Select::new();
                    for receiver in &receivers {
                        select.recv(receiver);
                    }
                    let operation = select.select();
                    let receiver = &receivers[operation.index()];
                    operation.recv(receiver).expect("we keep a sender");
                }
            })
        });
    });
}

fn send_all(kind: Kind, sender: Sender<u64>, messages: u64) {
    drop(kind.spawn(move || {
        (0..messages).for_each(|message| sender.send(message).expect("it is received"))
    }));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    alone(&mut criterion);
    ping_pong(&mut criterion);
    many_to_one(&mut criterion);
    select(&mut criterion);
    criterion.final_summary();
}
