//! One million greenlets: a tree in which each node spawns ten more, down to a million leaves, and sums what they return.

use std::time::Instant;

const LEAVES: u64 = 1_000_000;

/// The sum of the `leaves` leaves from number `first` on.
fn skynet(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let share = leaves / 10;
    let children: [_; 10] = std::array::from_fn(|child| {
        let first = first + child as u64 * share;
        greenhub::spawn(move || skynet(first, share))
    });
    children
        .into_iter()
        .map(|child| child.join().unwrap())
        .sum()
}

fn main() {
    let begun = Instant::now();
    let sum = greenhub::run(|| skynet(0, LEAVES));
    println!("Result: {sum} in {} ms", begun.elapsed().as_millis());

    assert_eq!(sum, LEAVES * (LEAVES - 1) / 2);
}
