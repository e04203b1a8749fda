//! What is measured: the table of scenarios, and what each of them counts as one operation.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One row of the table of scenarios.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What one operation is, for the report.
    pub(crate) what: &'static str,
    pub(crate) body: Body,
    /// The numbers of workers it runs with; the first is the one that the aims are about.
    pub(crate) workers: &'static [usize],
    /// The aim that greenhub has for it, if any.
    pub(crate) aim: Option<Aim>,
}

/// At most `share` of the time that `of` takes.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) share: f64,
    pub(crate) of: Rival,
}

/// What greenhub is held against.
#[derive(Debug)]
pub(crate) enum Rival {
    /// The peer of that name, on as many workers.
    Peer(&'static str),
    /// Itself, on one worker.
    OneWorker,
}

/// What a peer is to do for a scenario. A sample runs it from inside a task of the runtime, not from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// An iteration spawns a task that does nothing, and joins it.
    SpawnJoin,
    /// An iteration spawns [`BATCH`] tasks that do nothing, then joins them all.
    SpawnMany,
    /// `tasks` tasks yield in a loop, side by side; an iteration is one round of them. The time is that from spawning
    /// them to having joined them, so where two workers share them it is half of what a yield costs its worker.
    Yield { tasks: u64 },
    /// An iteration is a round trip between two tasks: each unparks the other and parks itself.
    PingPong,
    /// An iteration spawns [`FAN_OUT`] tasks that each compute for [`TASK_TIME`], then joins them all.
    FanOut,
    /// An iteration is a ten-way tree of tasks with `leaves` leaves; each task sums what its children return.
    Skynet { leaves: u64 },
}

/// Tasks in one iteration of [`Body::SpawnMany`].
pub(crate) const BATCH: u64 = 1_000;
/// Tasks in one iteration of [`Body::FanOut`].
pub(crate) const FAN_OUT: u64 = 2_000;
/// What a task of [`Body::FanOut`] computes for.
const TASK_TIME: Duration = Duration::from_micros(100);
/// Children of each inner node of the tree of [`Body::Skynet`], whose leaves are a power of it.
pub(crate) const BRANCHES: u64 = 10;

/// Every scenario, in the order in which they run.
pub(crate) static ALL: &[Scenario] = &[
    Scenario {
        name: "spawn-join",
        what: "spawn a task and join it, one at a time",
        body: Body::SpawnJoin,
        workers: &[2],
        aim: Some(Aim {
            share: 0.35,
            of: Rival::Peer("tokio"),
        }),
    },
    Scenario {
        name: "spawn-1000",
        what: "spawn 1,000 tasks, then join all: a task",
        body: Body::SpawnMany,
        workers: &[2],
        aim: None,
    },
    Scenario {
        name: "yield-1",
        what: "one task yields: a yield",
        body: Body::Yield { tasks: 1 },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 0.75,
            of: Rival::Peer("may"),
        }),
    },
    Scenario {
        name: "yield-2",
        what: "2 tasks yield side by side: wall time a yield",
        body: Body::Yield { tasks: 2 },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 0.75,
            of: Rival::Peer("may"),
        }),
    },
    Scenario {
        name: "yield-100",
        what: "100 tasks yield side by side: wall time a yield",
        body: Body::Yield { tasks: 100 },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 0.75,
            of: Rival::Peer("may"),
        }),
    },
    Scenario {
        name: "ping-pong",
        what: "two tasks unpark each other in turn: a round trip",
        body: Body::PingPong,
        workers: &[2, 1],
        aim: None,
    },
    Scenario {
        name: "fan-out",
        what: "2,000 tasks of 100 us of CPU from one task: wall time a task",
        body: Body::FanOut,
        workers: &[2, 1],
        aim: Some(Aim {
            share: 0.6,
            of: Rival::OneWorker,
        }),
    },
    Scenario {
        name: "skynet-10k",
        what: "a ten-way tree of 10,000 leaves: a task",
        body: Body::Skynet { leaves: 10_000 },
        workers: &[2],
        aim: None,
    },
    Scenario {
        name: "skynet",
        what: "a ten-way tree of 100,000 leaves: a task",
        body: Body::Skynet { leaves: 100_000 },
        workers: &[2],
        aim: None,
    },
];

impl Body {
    /// The operations in one iteration.
    pub(crate) fn operations(self) -> u64 {
        match self {
            Body::SpawnJoin | Body::PingPong => 1,
            Body::SpawnMany => BATCH,
            Body::Yield { tasks } => tasks,
            Body::FanOut => FAN_OUT,
            // 10 + 100 + … + leaves: every node but the root.
            Body::Skynet { leaves } => (leaves - 1) / (BRANCHES - 1) * BRANCHES,
        }
    }
}

/// One sample to take: so many iterations, and so many steps of [`compute`] for a task of [`Body::FanOut`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) body: Body,
    pub(crate) iterations: u64,
    pub(crate) spin: u64,
}

/// A chain of `steps` dependent multiplications: CPU time that no compiler and no second unit of the core shortens.
pub(crate) fn compute(steps: u64) {
    black_box((0..steps).fold(1, |value: u64, step| {
        (value ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }));
}

/// How many steps of [`compute`] take [`TASK_TIME`] on this machine when nothing disturbs it. Found once, so that every
/// peer computes the same.
pub(crate) fn steps_per_task() -> u64 {
    const STEPS: u64 = 1_000_000;
    let fastest = (0..10)
        .map(|_| {
            let start = Instant::now();
            compute(black_box(STEPS));
            start.elapsed()
        })
        .min()
        .expect("there are ten");
    (STEPS as f64 * TASK_TIME.as_secs_f64() / fastest.as_secs_f64()) as u64
}
