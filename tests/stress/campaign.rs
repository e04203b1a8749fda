//! Round after round, from one seed, under the eyes of a watchdog.
//!
//! The seed decides what everybody does, and in what order; who is how fast, and so who meets whom, it does not: the same seed
//! may need several rounds to show the same fault, and a fault may need another machine.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::operations::Mix;
use crate::round;
use crate::support::stress;
use crate::world::World;

/// The seed of the first round, if it is set; each further round has the next.
const SEED: &str = "GREENHUB_STRESS_SEED";

/// How long a campaign takes, times `GREENHUB_STRESS`.
const LENGTH: Duration = Duration::from_secs(3);

/// Nothing at all has happened for so long: somebody was not woken, or computes for ever.
const STANDSTILL: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Campaign {
    name: &'static str,
    pub(crate) mix: Arc<Mix>,
    pub(crate) progress: Arc<Progress>,
    /// The round that is being played.
    stage: Arc<Mutex<(Weak<World>, u64)>>,
}

/// What has been done so far.
#[derive(Debug)]
pub(crate) struct Progress {
    /// By the operations' numbers; rounds at zero.
    counts: Vec<AtomicU64>,
}

impl Progress {
    fn new(mix: &Mix) -> Progress {
        Progress {
            counts: (0..=mix.len()).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// An operation has come to its end.
    pub(crate) fn step(&self, operation: usize) {
        self.counts[operation].fetch_add(1, Ordering::Relaxed);
    }

    /// A round has.
    pub(crate) fn round(&self) {
        self.step(0);
    }

    fn all(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// Plays rounds with this mix of operations until the time is over.
///
/// # Panics
///
/// If anything is wrong at the end of a round: with all that is, and the seed.
pub(crate) fn run(name: &'static str, mix: Mix) {
    let mut seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => u64::from(std::process::id()) << 32,
    };
    let campaign = Campaign {
        name,
        progress: Arc::new(Progress::new(&mix)),
        mix: Arc::new(mix),
        stage: Arc::new(Mutex::new((Weak::new(), seed))),
    };
    let _watchdog = campaign.guard();
    let begun = Instant::now();
    while begun.elapsed() < LENGTH * u32::try_from(stress()).expect("a reasonable factor") {
        let faults = round::play(&campaign, seed);
        let rounds = campaign.progress.counts[0].load(Ordering::Relaxed);
        assert!(
            faults.is_empty(),
            "{name}: wrong after {rounds} rounds, in that of {SEED}={seed}:\n    {}",
            faults.join("\n    ")
        );
        seed += 1;
    }
    println!("{}", campaign.summary());
}

impl Campaign {
    /// This round begins.
    pub(crate) fn watch(&self, world: &Arc<World>, seed: u64) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::downgrade(world), seed);
    }

    /// What was done how often.
    fn summary(&self) -> String {
        let count = |at: usize| self.progress.counts[at].load(Ordering::Relaxed);
        let mut text = format!("{}: {} rounds", self.name, count(0));
        for operation in 1..=self.mix.len() {
            let _ = write!(text, ", {} {}", count(operation), self.mix.name(operation));
        }
        text
    }

    /// Aborts the process, with all that can be told of the round, when nothing happens any more. Until the result is dropped.
    fn guard(&self) -> mpsc::Sender<()> {
        let (ends, ended) = mpsc::channel();
        let (name, mix) = (self.name, Arc::clone(&self.mix));
        let (progress, stage) = (Arc::clone(&self.progress), Arc::clone(&self.stage));
        thread::spawn(move || {
            let (mut seen, mut since) = (0, Instant::now());
            while ended.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout)
            {
                let now = progress.all();
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if since.elapsed() > STANDSTILL {
                    let (world, seed) =
                        stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let mut told = format!("{name}: a standstill in the round of {SEED}={seed}\n");
                    if let Some(world) = world.upgrade() {
                        tell(&mut told, &world, &mix);
                    }
                    // Straight to the descriptor: what libtest captures is lost with an abort.
                    let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
                    std::process::abort();
                }
            }
        });
        ends
    }
}

/// All that can be told of a round that stands still.
fn tell(told: &mut String, world: &World, mix: &Mix) {
    for fault in world.faults.all() {
        let _ = writeln!(told, "    {fault}");
    }
    for actor in world.crowd.everyone() {
        let _ = writeln!(told, "{actor} is at: {}", mix.name(actor.doing()));
    }
    for home in &world.homes {
        let _ = writeln!(told, "{}", home.dump());
    }
}
