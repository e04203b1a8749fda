//! Greenlets and a pool of plain OS threads, such as rayon's, on the same channels: the greenlets wait, the threads compute.

use std::thread;
use std::time::Duration;

use greenhub::channel::{bounded, unbounded};

/// The number of steps until Collatz's sequence from `start` comes to 1.
fn steps(start: u64) -> u64 {
    let mut number = start;
    let mut steps = 0;
    while number != 1 {
        number = if number % 2 == 0 {
            number / 2
        } else {
            3 * number + 1
        };
        steps += 1;
    }
    steps
}

fn main() {
    let (jobs, work) = bounded(16);
    let (results, done) = unbounded();
    // Threads that know nothing of greenlets.
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (work, results) = (work.clone(), results.clone());
            thread::spawn(move || {
                for start in work {
                    results
                        .send((start, steps(start)))
                        .expect("somebody collects");
                }
            })
        })
        .collect();
    drop((work, results));

    let (longest, count) = greenhub::run(move || {
        for user in 0..10_u64 {
            let jobs = jobs.clone();
            greenhub::spawn(move || {
                // What each user wants comes bit by bit, as from a socket.
                for request in 0..100 {
                    if request % 25 == 0 {
                        greenhub::sleep(Duration::from_millis(5));
                    }
                    jobs.send(1 + user * 100 + request)
                        .expect("the threads are there");
                }
            });
        }
        drop(jobs);
        let mut longest = (0, 0);
        let mut count = 0;
        for (start, steps) in done {
            count += 1;
            longest = longest.max((steps, start));
        }
        (longest, count)
    });
    for thread in threads {
        thread.join().expect("no thread fails");
    }
    let (steps, start) = longest;
    println!(
        "{count} sequences on 2 threads for 10 greenlets; the longest begins at {start} and has {steps} steps"
    );
    assert_eq!((count, start, steps), (1000, 871, 178));
}
