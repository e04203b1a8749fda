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
    /// `tasks` tasks count up in a loop, side by side, behind one lock; an iteration is one round of them. The time is that
    /// from spawning them to having joined them.
    Count { tasks: u64 },
    /// An iteration is a number that goes to another task over an unbounded channel, and comes back over a second one.
    Echo { apart: Apart },
    /// An iteration is [`SENDERS`] tasks that send [`SHARE`] messages each over one channel, of that capacity if any, to the
    /// task that spawned them.
    Messages { capacity: Option<usize> },
    /// An iteration is as many messages, over [`WIDTH`] channels with a sender each, to a task that waits for all of them
    /// at once.
    Select,
}

/// Where the two tasks of [`Body::Echo`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// Wherever the runtime puts them.
    No,
    /// On two runtimes that know nothing of each other, with a worker each: no scheduler can bring them together.
    Yes,
}

/// Tasks in one iteration of [`Body::SpawnMany`].
pub(crate) const BATCH: u64 = 1_000;
/// Tasks in one iteration of [`Body::FanOut`].
pub(crate) const FAN_OUT: u64 = 2_000;
/// What a task of [`Body::FanOut`] computes for.
const TASK_TIME: Duration = Duration::from_micros(100);
/// Children of each inner node of the tree of [`Body::Skynet`], whose leaves are a power of it.
pub(crate) const BRANCHES: u64 = 10;

/// Tasks that send in an iteration of [`Body::Messages`].
pub(crate) const SENDERS: u64 = 4;
/// Messages that each of them sends: enough that spawning it does not matter, few enough for the memory when it need not
/// wait for the receiver.
pub(crate) const SHARE: u64 = 25_000;
/// Channels of [`Body::Select`].
pub(crate) const WIDTH: usize = 8;
/// What each of those channels holds.
pub(crate) const WIDTH_CAPACITY: usize = 128;
/// Messages of each of those channels in an iteration.
pub(crate) const WIDTH_SHARE: u64 = SENDERS * SHARE / WIDTH as u64;

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
    Scenario {
        name: "mutex",
        what: "one task locks, adds one, unlocks: a lock",
        body: Body::Count { tasks: 1 },
        workers: &[2],
        aim: None,
    },
    Scenario {
        name: "mutex-8",
        what: "8 tasks lock, add one, unlock: wall time a lock",
        body: Body::Count { tasks: 8 },
        workers: &[2, 1],
        aim: None,
    },
    Scenario {
        name: "echo",
        what: "two tasks and two channels: a number and its echo",
        body: Body::Echo { apart: Apart::No },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 0.5,
            of: Rival::Peer("may"),
        }),
    },
    Scenario {
        name: "echo-apart",
        what: "two tasks on two runtimes of one worker: a number and its echo",
        body: Body::Echo { apart: Apart::Yes },
        workers: &[1],
        aim: None,
    },
    Scenario {
        name: "messages-1024",
        what: "4 tasks to one over a channel of 1,024: a message",
        body: Body::Messages {
            capacity: Some(1024),
        },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 1.0,
            of: Rival::Peer("crossbeam"),
        }),
    },
    Scenario {
        name: "messages",
        what: "4 tasks to one over an unbounded channel: a message",
        body: Body::Messages { capacity: None },
        workers: &[2, 1],
        aim: Some(Aim {
            share: 1.0,
            of: Rival::Peer("crossbeam"),
        }),
    },
    Scenario {
        name: "select-8",
        what: "8 tasks to one that selects over 8 channels: a message",
        body: Body::Select,
        workers: &[2, 1],
        aim: None,
    },
];

impl Body {
    /// Whether it is about locks or channels, not about the tasks themselves.
    pub(crate) fn shares(self) -> bool {
        matches!(
            self,
            Body::Count { .. } | Body::Echo { .. } | Body::Messages { .. } | Body::Select
        )
    }

    /// The operations in one iteration.
    pub(crate) fn operations(self) -> u64 {
        match self {
            Body::SpawnJoin | Body::PingPong | Body::Echo { .. } => 1,
            Body::SpawnMany => BATCH,
            Body::Yield { tasks } | Body::Count { tasks } => tasks,
            Body::Messages { .. } => SENDERS * SHARE,
            Body::Select => WIDTH as u64 * WIDTH_SHARE,
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
