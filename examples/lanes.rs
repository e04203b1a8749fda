//! What the compute lane is for: a timer and an echo server, beside greenlets that compute for half a second and never yield.
//!
//! Spawned with `spawn_compute`, the hogs share the cores with everybody else, because the operating system shares them
//! out. Spawned with `spawn`, they hold the very hubs that the timer and the echo need.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use greenhub::net::{TcpListener, TcpStream};
use greenhub::{JoinHandle, join_all, spawn, spawn_compute};

const PAUSE: Duration = Duration::from_millis(1);

/// Computes for half a second; returns how often it went round.
fn hog() -> u64 {
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_millis(500) {
        rounds = std::hint::black_box(rounds + 1);
    }
    rounds
}

/// Sleeps again and again, and returns by how much each sleep was too long.
fn tick(done: &AtomicBool) -> Vec<Duration> {
    let mut late = Vec::new();
    while !done.load(Relaxed) {
        let begun = Instant::now();
        greenhub::sleep(PAUSE);
        late.push(begun.elapsed().saturating_sub(PAUSE));
    }
    late
}

/// Sends a byte to an echo server now and then, and returns how long each took to come back.
fn echo(done: &AtomicBool) -> io::Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    let server = spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            stream.write_all(&byte)?;
        }
        Ok(())
    });
    let mut took = Vec::new();
    while !done.load(Relaxed) {
        let begun = Instant::now();
        client.write_all(b"!")?;
        client.read_exact(&mut [0])?;
        took.push(begun.elapsed());
        greenhub::sleep(PAUSE);
    }
    drop(client); // the server reads the end
    server.join().map_err(io::Error::other)??;
    Ok(took)
}

/// Runs timer and echo beside two hogs a core, prints how they fared, and returns the timer's p99 and worst lateness.
fn beside(name: &str, spawn_hog: fn(fn() -> u64) -> JoinHandle<u64>) -> (Duration, Duration) {
    let done = Arc::new(AtomicBool::new(false));
    let timer = spawn({
        let done = done.clone();
        move || tick(&done)
    });
    let echo = spawn({
        let done = done.clone();
        move || echo(&done)
    });
    greenhub::sleep(Duration::from_millis(50)); // both are on their way

    let cores = thread::available_parallelism().map_or(1, usize::from);
    let hogs = join_all((0..2 * cores).map(|_| spawn_hog(hog)));
    assert!(hogs.into_iter().all(|rounds| rounds.unwrap() > 0));
    done.store(true, Relaxed);

    let late = Spread::of(timer.join().unwrap());
    let took = Spread::of(echo.join().unwrap().unwrap());
    println!("{name:<14} {late} {took}");
    (late.p99, late.worst)
}

struct Spread {
    median: Duration,
    p99: Duration,
    worst: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        Spread {
            median: at(50),
            p99: at(99),
            worst: at(100),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{:>8.2} {:>8.2} {:>8.2}",
            ms(self.median),
            ms(self.p99),
            ms(self.worst)
        )
    }
}

fn main() {
    println!(
        "{:<14} {:^26} {:^26}",
        "", "timer late by (ms)", "echo took (ms)"
    );
    println!(
        "{:<14} {1:>8} {2:>8} {3:>8} {1:>8} {2:>8} {3:>8}",
        "hogs on", "median", "p99", "worst"
    );
    greenhub::run(|| {
        let (p99, _) = beside("spawn_compute", spawn_compute);
        let (_, worst) = beside("spawn", spawn);
        assert!(
            p99 < worst,
            "the compute lane should have kept the timer going"
        );
    });
}
