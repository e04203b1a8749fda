//! asyncio's spinner, cancelled: greenlets that end when they are told to, that tidy up first, or that refuse.

use std::time::Duration;

use greenhub::{catch_kill, sleep, timeout};

/// Says so when it is dropped, as a file or a lock would be released.
struct Tidy(&'static str);

impl Drop for Tidy {
    fn drop(&mut self) {
        println!("  {} has tidied up", self.0);
    }
}

fn spin(name: &'static str) {
    let _tidy = Tidy(name);
    loop {
        sleep(Duration::from_millis(10));
    }
}

fn main() {
    greenhub::run(|| {
        println!("One that ends at once:");
        let spinner = greenhub::spawn(|| spin("the spinner"));
        sleep(Duration::from_millis(50));
        spinner.kill();
        let error = spinner.join().unwrap_err();
        println!("  join says: {error}");
        assert!(error.is_killed());

        println!("One that notices, and has a last word:");
        let polite = greenhub::spawn(|| match catch_kill(|| spin("the polite one")) {
            Ok(()) => unreachable!("it spins for ever"),
            Err(killed) => format!("I heard: {killed}"),
        });
        sleep(Duration::from_millis(50));
        polite.kill();
        println!("  {}", polite.join().unwrap());

        println!("One that refuses twice:");
        let stubborn = greenhub::spawn(|| {
            let mut refused = 0;
            while refused < 2 {
                if catch_kill(|| sleep(Duration::from_secs(60))).is_err() {
                    refused += 1;
                    println!("  refused {refused} times");
                }
            }
            sleep(Duration::from_secs(60));
        });
        for _ in 0..3 {
            sleep(Duration::from_millis(20));
            stubborn.kill();
        }
        assert!(stubborn.join().unwrap_err().is_killed());

        println!("And one whose time is up:");
        let elapsed = timeout(Duration::from_millis(50), || spin("the slow one")).unwrap_err();
        println!("  {elapsed}");
    });
}
