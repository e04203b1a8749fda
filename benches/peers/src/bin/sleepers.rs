//! How late sleepers wake: `cargo run --release -p greenhub-peers --bin sleepers [-- SLEEPERS [ROUNDS]]`.
//!
//! So many tasks (100,000 unless told) sleep until random moments of the same second, on two workers, and note how late they
//! go on. Each runtime has a process of its own; they take turns, round by round, and the median of the rounds is shown.
//! On a machine that does much else this measures the system's scheduler: run it under `chrt -f 1` there.
//! may is not among them: it cannot hold so many.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
/// From the first deadline to the last.
const SPREAD: Duration = Duration::from_secs(1);
/// The word that makes this program one of the runtimes.
const SERVE: &str = "--serve";

/// A runtime's name, and how it has `count` sleepers sleep: their latenesses, in nanoseconds.
type Peer = (&'static str, fn(u64) -> Vec<u64>);

const PEERS: &[Peer] = &[
    ("greenhub", |count| greenhub_sleeps(count, greenhub::spawn)),
    ("migrating", |count| {
        // SAFETY: the sleepers keep nothing thread-bound, and use no thread-local.
        greenhub_sleeps(count, |f| unsafe { greenhub::spawn_migrating(f) })
    }),
    ("tokio", tokio_sleeps),
];

/// When which sleeper is to wake.
struct Deadlines {
    first: Instant,
    random: u64,
}

impl Deadlines {
    /// The first is far enough off that all sleep by then.
    fn new(count: u64) -> Deadlines {
        Deadlines {
            first: Instant::now()
                + Duration::from_millis(500)
                + Duration::from_micros(25) * count as u32,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl Iterator for Deadlines {
    type Item = Instant;

    fn next(&mut self) -> Option<Instant> {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Some(self.first + Duration::from_nanos(self.random % SPREAD.as_nanos() as u64))
    }
}

/// How late it is.
fn lateness(deadline: Instant) -> u64 {
    Instant::now().duration_since(deadline).as_nanos() as u64
}

fn greenhub_sleeps(
    count: u64,
    spawn: fn(Box<dyn FnOnce() -> u64 + Send>) -> greenhub::JoinHandle<u64>,
) -> Vec<u64> {
    let runtime = greenhub::runtime::Runtime::builder().hubs(WORKERS).build();
    runtime.expect("greenhub starts").run(|| {
        let sleeper = |deadline| {
            spawn(Box::new(move || {
                greenhub::sleep_until(deadline);
                lateness(deadline)
            }))
        };
        let deadlines = Deadlines::new(count).take(count as usize);
        let sleepers: Vec<_> = deadlines.map(sleeper).collect();
        let ended = greenhub::join_all(sleepers);
        ended
            .into_iter()
            .map(|late| late.expect("the sleeper ends by returning"))
            .collect()
    })
}

fn tokio_sleeps(count: u64) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    let runtime = runtime.expect("tokio starts");
    let body = runtime.spawn(async move {
        let sleeper = |deadline: Instant| {
            tokio::spawn(async move {
                tokio::time::sleep_until(deadline.into()).await;
                lateness(deadline)
            })
        };
        let deadlines = Deadlines::new(count).take(count as usize);
        let sleepers: Vec<_> = deadlines.map(sleeper).collect();
        let mut late = Vec::new();
        for sleeper in sleepers {
            late.push(sleeper.await.expect("the sleeper ends by returning"));
        }
        late
    });
    runtime
        .block_on(body)
        .expect("the sample ends by returning")
}

/// The latenesses that are shown: of half, of 99 in 100, of 999 in 1,000 of the sleepers, and of all.
fn quantiles(mut late: Vec<u64>) -> [u64; 4] {
    late.sort_unstable();
    [0.5, 0.99, 0.999, 1.0].map(|share| late[((late.len() - 1) as f64 * share) as usize])
}

/// One round of one peer, in a process of its own.
fn round(peer: &str, count: u64) -> [u64; 4] {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new(program)
        .args([SERVE, peer, &count.to_string()])
        .output()
        .expect("the child starts");
    let text = String::from_utf8(output.stdout).expect("the child writes text");
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|number| number.parse().expect("the child writes numbers"))
        .collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("{peer} failed: {}", String::from_utf8_lossy(&output.stderr)))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, name, count] = &args[..] {
        let peer = PEERS.iter().find(|peer| serve == SERVE && peer.0 == name);
        if let (Some((_, sleeps)), Ok(count)) = (peer, count.parse()) {
            for quantile in quantiles(sleeps(count)) {
                println!("{quantile}");
            }
            return ExitCode::SUCCESS;
        }
    }
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |arg| arg.parse());
    let (Ok(count @ 1..), Ok(rounds @ 1..)) = (number(0, 100_000), number(1, 5)) else {
        eprintln!("usage: sleepers [SLEEPERS [ROUNDS]]");
        return ExitCode::from(2);
    };
    println!("{count} sleepers, {WORKERS} workers, {rounds} rounds: how late, in microseconds");
    let mut results = vec![Vec::new(); PEERS.len()];
    for _ in 0..rounds {
        for (peer, results) in PEERS.iter().zip(&mut results) {
            results.push(round(peer.0, count));
        }
    }
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>9}",
        "", "p50", "p99", "p99.9", "max"
    );
    for (peer, results) in PEERS.iter().zip(results) {
        let median = |at: usize| {
            let mut values: Vec<u64> = results.iter().map(|quantiles| quantiles[at]).collect();
            values.sort_unstable();
            values[values.len() / 2] as f64 / 1_000.0
        };
        println!(
            "{:<10} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
            peer.0,
            median(0),
            median(1),
            median(2),
            median(3)
        );
    }
    ExitCode::SUCCESS
}
