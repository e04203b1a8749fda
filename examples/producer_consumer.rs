//! Producers and consumers on one bounded channel: who is too fast waits for the others.

use greenhub::channel::bounded;

const PRODUCERS: u64 = 4;
const EACH: u64 = 25_000;

fn main() {
    let table = greenhub::run(|| {
        let (orders, incoming) = bounded(64);
        for producer in 0..PRODUCERS {
            let orders = orders.clone();
            greenhub::spawn(move || {
                for number in 0..EACH {
                    orders
                        .send(producer * EACH + number)
                        .expect("the shop is open");
                }
            });
        }
        // The channel ends when the last sender is gone.
        drop(orders);

        let consumers = (0..3).map(|consumer| {
            let incoming = incoming.clone();
            greenhub::spawn(move || {
                let (mut served, mut sum) = (0_u64, 0);
                for order in incoming {
                    served += 1;
                    sum += order;
                }
                (consumer, served, sum)
            })
        });
        greenhub::join_all(consumers)
    });

    let (mut served, mut sum) = (0, 0);
    for row in table {
        let (consumer, orders, value) = row.expect("no consumer fails");
        println!("consumer {consumer} served {orders:>6} orders");
        served += orders;
        sum += value;
    }
    println!("together {served} of {}", PRODUCERS * EACH);
    assert_eq!(served, PRODUCERS * EACH);
    assert_eq!(sum, served * (served - 1) / 2);
}
