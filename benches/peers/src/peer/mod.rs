//! The runtimes that are compared, one file each. A file says how its runtime is set up and what its names are; what
//! it is made to do stands in `stackful` and `stackless`.

mod crossbeam;
mod greenhub;
mod may;
mod smol;
mod threads;
mod tokio;

use std::time::Duration;

use crate::scenario::{Body, Sample};

/// The peer that the others' ratios are to.
pub(crate) const SETTLED: &str = "greenhub";
/// The same with greenlets that may be stolen whenever they are ready.
pub(crate) const MIGRATING: &str = "migrating";
/// Its channels and lock on OS threads.
const OWN_ON_THREADS: &str = "own-threads";

/// One row of the table of peers.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Starts the runtime with so many workers. Called once in a process.
    pub(crate) start: fn(usize) -> Box<dyn Running>,
    /// Why it does not run this with so many workers, if so.
    pub(crate) declines: fn(Body, usize) -> Option<&'static str>,
}

/// A runtime that has been started, and ends when it is dropped.
pub(crate) trait Running {
    /// Takes a sample in a task of the runtime, and waits for it.
    fn take(&self, sample: Sample) -> Duration;
}

/// Every peer, in the order of the report.
pub(crate) static ALL: &[Peer] = &[
    Peer {
        name: SETTLED,
        what: "greenlets from spawn: each stays on the hub that started it",
        start: greenhub::start::<greenhub::Settled>,
        declines: nothing,
    },
    Peer {
        name: MIGRATING,
        what: "greenlets from the unsafe spawn_migrating: stolen whenever they are ready",
        start: greenhub::start::<greenhub::Migrating>,
        declines: nothing,
    },
    Peer {
        name: "tokio",
        what: "tokio's multi-thread runtime with its drivers, as #[tokio::main] starts it",
        start: tokio::start,
        declines: nothing,
    },
    Peer {
        name: "may",
        what: "may's coroutines, with its default configuration",
        start: may::start,
        declines: may::declines,
    },
    Peer {
        name: "smol",
        what: "async-executor, which smol runs on, polled by as many threads",
        start: smol::start,
        declines: nothing,
    },
    Peer {
        name: "threads",
        what: "std threads; how many run at once is the system's affair",
        start: threads::start::<threads::Std>,
        declines: threads::declines,
    },
    Peer {
        name: "crossbeam",
        what: "std threads with crossbeam-channel's channels and parking_lot's lock",
        start: threads::start::<crossbeam::Crossbeam>,
        declines: threads::declines_but_sharing,
    },
    Peer {
        name: OWN_ON_THREADS,
        what: "std threads with greenhub's channels and lock",
        start: threads::start::<greenhub::Own>,
        declines: threads::declines_but_sharing,
    },
];

/// Whether it is greenhub itself, with either kind of greenlet or on OS threads.
pub(crate) fn is_own(peer: &Peer) -> bool {
    [SETTLED, MIGRATING, OWN_ON_THREADS].contains(&peer.name)
}

fn nothing(_: Body, _: usize) -> Option<&'static str> {
    None
}
