//! Ten greenlets that each wait for 3 s are done after 3 s: asyncio's `gather`. An argument gives other seconds than 0.3.

use std::time::{Duration, Instant};

fn main() {
    let seconds = match std::env::args().nth(1).map(|argument| argument.parse()) {
        None => 0.3,
        Some(Ok(seconds)) if (0.0..=3600.0).contains(&seconds) => seconds,
        Some(_) => {
            eprintln!("gather: the argument is a number of seconds, such as 3");
            std::process::exit(2);
        }
    };
    let wait = Duration::from_secs_f64(seconds);

    let began = Instant::now();
    let results = greenhub::run(|| {
        greenhub::join_all((0..10).map(|i| {
            greenhub::spawn(move || {
                greenhub::sleep(wait);
                i * i
            })
        }))
    });
    let squares: Vec<i32> = results.into_iter().map(Result::unwrap).collect();

    println!("{squares:?}");
    println!("10 waits of {wait:.1?} took {:.1?}", began.elapsed());
    assert_eq!(squares[9], 81);
}
