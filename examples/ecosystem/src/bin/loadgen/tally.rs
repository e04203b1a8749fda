//! Counting: by all users, on all hubs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use greenhub_ecosystem::latencies::Latencies;

/// So many complaints are printed; the others are only counted.
const MOST_COMPLAINTS: u64 = 10;

/// What a user does, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Page,
    Echo,
    Bytes,
}

impl Step {
    pub(crate) const ALL: [Step; 4] = [Step::Connect, Step::Page, Step::Echo, Step::Bytes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Connect => "connect",
            Step::Page => "GET /",
            Step::Echo => "POST /echo",
            Step::Bytes => "GET /bytes/N",
        }
    }
}

/// Greenlets never wait while they hold one of these ordinary locks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    steps: [Mutex<Figures>; 4],
    /// Requests since the last look.
    recent: Mutex<Figures>,
    active: AtomicU64,
    failed: AtomicU64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
    pub(crate) latencies: Latencies,
}

impl Tally {
    /// A step has been done, and has moved so many bytes of bodies.
    pub(crate) fn done_in(&self, step: Step, time: Duration, bytes: u64) {
        let mut figures = lock(&self.steps[step as usize]);
        figures.latencies.add(time);
        figures.bytes += bytes;
        drop(figures);
        if step != Step::Connect {
            let mut recent = lock(&self.recent);
            recent.latencies.add(time);
            recent.bytes += bytes;
        }
    }

    pub(crate) fn failed_in(&self, step: Step, why: &str) {
        lock(&self.steps[step as usize]).failed += 1;
        self.complain(&format!("{}: {why}", step.name()));
    }

    /// Something has failed.
    pub(crate) fn complain(&self, what: &str) {
        let before = self.failed.fetch_add(1, Relaxed);
        if before < MOST_COMPLAINTS {
            eprintln!("{what}");
        } else if before == MOST_COMPLAINTS {
            eprintln!("and so on");
        }
    }

    pub(crate) fn arrived(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    pub(crate) fn left(&self) {
        self.active.fetch_sub(1, Relaxed);
    }

    /// Users that have arrived and not left.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Requests that have been answered as they should.
    pub(crate) fn done(&self) -> u64 {
        let requests = Step::ALL.into_iter().filter(|&step| step != Step::Connect);
        requests.map(|step| self.step(step).latencies.count()).sum()
    }

    pub(crate) fn step(&self, step: Step) -> Figures {
        lock(&self.steps[step as usize]).clone()
    }

    /// What has been requested since the last call.
    pub(crate) fn take_recent(&self) -> Figures {
        std::mem::take(&mut lock(&self.recent))
    }
}

fn lock(figures: &Mutex<Figures>) -> MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
