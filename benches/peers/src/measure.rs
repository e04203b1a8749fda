//! How a scenario is measured: calibrate each contestant, then let them take turns.

use std::fs;
use std::time::{Duration, Instant};

use crate::contestant::{Contestant, Order};
use crate::peer::{self, Peer};
use crate::scenario::Scenario;

/// How long to measure.
pub(crate) struct Plan {
    /// Samples of each contestant.
    pub(crate) rounds: usize,
    /// About how long a sample takes.
    pub(crate) sample: Duration,
}

/// A scenario's outcome.
pub(crate) struct Comparison {
    pub(crate) scenario: &'static Scenario,
    pub(crate) lanes: Vec<Lane>,
    /// The peers that were not asked, with how many workers, and why.
    pub(crate) declined: Vec<(&'static Peer, usize, &'static str)>,
}

/// One contestant's: a peer with a number of workers.
pub(crate) struct Lane {
    pub(crate) peer: &'static Peer,
    pub(crate) workers: usize,
    /// Iterations in a sample.
    pub(crate) iterations: u64,
    /// Nanoseconds an operation, by round; or why there are none.
    pub(crate) rounds: Result<Vec<f64>, String>,
    /// CPU time used while others were measured, as a share of that time; `None` where the system does not tell.
    pub(crate) idle_cpu: Option<f64>,
}

/// How much of a CPU a waiting contestant may use before it is named. (may's workers wake every 10 ms: about 0.01.)
const IDLE_LIMIT: f64 = 0.02;

impl Comparison {
    /// Whether greenhub came through, of both kinds. A peer that hangs or dies is the peer's affair.
    pub(crate) fn succeeded(&self) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.all(|lane| lane.rounds.is_ok() || !peer::is_own(lane.peer))
    }

    /// The lane of a peer with so many workers.
    pub(crate) fn lane(&self, peer: &str, workers: usize) -> Option<&Lane> {
        let mut lanes = self.lanes.iter();
        lanes.find(|lane| lane.peer.name == peer && lane.workers == workers)
    }
}

impl Lane {
    pub(crate) fn median(&self) -> Option<f64> {
        median(self.rounds.as_ref().ok()?.clone())
    }

    pub(crate) fn min(&self) -> Option<f64> {
        let rounds = self.rounds.as_ref().ok()?;
        rounds.iter().copied().min_by(f64::total_cmp)
    }

    /// This one's time as a share of the other's: the median of the rounds' ratios.
    pub(crate) fn share_of(&self, other: &Lane) -> Option<f64> {
        let (own, others) = (self.rounds.as_ref().ok()?, other.rounds.as_ref().ok()?);
        let ratios = own.iter().zip(others).map(|(own, other)| own / other);
        median(ratios.collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// The load average of the last minute, where the system tells.
pub(crate) fn load_average() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_owned)
}

/// A lane while it is being measured.
struct Turn {
    lane: Lane,
    contestant: Option<Contestant>,
    /// CPU time at the end of its last sample, and when that was.
    waiting_since: Option<(Duration, Instant)>,
    /// CPU time used between its samples, and for how long it waited in all.
    waited: (Duration, Duration),
}

/// Measures a scenario with all of the peers that take it.
pub(crate) fn compare(
    scenario: &'static Scenario,
    peers: &[&'static Peer],
    plan: &Plan,
    spin: u64,
) -> Comparison {
    eprint!("{}: calibrating", scenario.name);
    let (mut turns, mut declined) = (Vec::new(), Vec::new());
    for &workers in scenario.workers {
        for &peer in peers {
            if let Some(reason) = (peer.declines)(scenario.body, workers) {
                declined.push((peer, workers, reason));
                continue;
            }
            eprint!(" {}/{workers}", peer.name);
            turns.push(Turn::calibrated(scenario, peer, workers, plan.sample, spin));
        }
    }

    // Each round begins with another contestant. Round 0 only warms up.
    eprint!("; round");
    let contestants = turns.len();
    for round in 0..=plan.rounds {
        eprint!(" {round}");
        for place in 0..contestants {
            turns[(round + place) % contestants].play(scenario, spin, round > 0);
        }
    }
    eprintln!();

    let lanes: Vec<_> = turns.into_iter().map(Turn::into_lane).collect();
    for lane in &lanes {
        let who = format!("{} with {} workers", lane.peer.name, lane.workers);
        if let Err(reason) = &lane.rounds {
            eprintln!("  {who}: {reason}");
        }
        // Of one that failed, too little is known.
        let busy = lane.idle_cpu.filter(|share| *share > IDLE_LIMIT);
        if let (Some(share), Ok(_)) = (busy, &lane.rounds) {
            let percent = share * 100.0;
            eprintln!("  {who}: used {percent:.1} % of a CPU while others were measured");
        }
    }
    Comparison {
        scenario,
        lanes,
        declined,
    }
}

impl Turn {
    /// Starts a contestant, and finds how many iterations make a sample.
    fn calibrated(
        scenario: &'static Scenario,
        peer: &'static Peer,
        workers: usize,
        target: Duration,
        spin: u64,
    ) -> Turn {
        let mut turn = Turn {
            lane: Lane {
                peer,
                workers,
                iterations: 1,
                rounds: Ok(Vec::new()),
                idle_cpu: None,
            },
            contestant: None,
            waiting_since: None,
            waited: (Duration::ZERO, Duration::ZERO),
        };
        let order = Order {
            peer,
            workers,
            scenario,
        };
        match Contestant::start(&order) {
            Ok(contestant) => turn.contestant = Some(contestant),
            Err(error) => turn.fail(format!("could not be started: {error}")),
        }
        // What a sample took tells the next one's length; a short one is not trusted to tell more than tenfold.
        while let Some(elapsed) = turn.take(spin) {
            let factor = target.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
            let iterations = turn.lane.iterations as f64 * factor.min(10.0);
            turn.lane.iterations = (iterations.round() as u64).max(1);
            if factor < 2.0 {
                break;
            }
        }
        turn
    }

    /// Takes a sample of the calibrated length, and keeps it if it `counts`.
    fn play(&mut self, scenario: &Scenario, spin: u64, counts: bool) {
        let Some(elapsed) = self.take(spin) else {
            return;
        };
        let operations = self.lane.iterations * scenario.body.operations();
        if let (Ok(rounds), true) = (&mut self.lane.rounds, counts) {
            rounds.push(elapsed.as_nanos() as f64 / operations as f64);
        }
    }

    /// Takes a sample; one that fails ends the contestant, and its lane then holds the reason.
    fn take(&mut self, spin: u64) -> Option<Duration> {
        let contestant = self.contestant.as_mut()?;
        if let (Some((used, since)), Some(now)) = (self.waiting_since, contestant.cpu_time()) {
            self.waited.0 += now.saturating_sub(used);
            self.waited.1 += since.elapsed();
        }
        match contestant.take(self.lane.iterations, spin) {
            Ok(elapsed) => {
                self.waiting_since = contestant.cpu_time().map(|used| (used, Instant::now()));
                Some(elapsed)
            }
            Err(reason) => {
                self.fail(reason);
                None
            }
        }
    }

    fn fail(&mut self, reason: String) {
        self.contestant = None;
        self.lane.rounds = Err(reason);
    }

    fn into_lane(self) -> Lane {
        let (used, waited) = self.waited;
        let idle_cpu = (!waited.is_zero()).then(|| used.as_secs_f64() / waited.as_secs_f64());
        Lane {
            idle_cpu,
            ..self.lane
        }
    }
}
