//! What the stress, limit and process tests share: the two kinds of greenlets, watchdogs, child processes, sizes.

#![allow(
    dead_code,
    reason = "every test binary has a copy of its own, and uses a part of it"
)]

pub(crate) mod child;
pub(crate) mod process;
pub(crate) mod watched;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use greenhub::runtime::Runtime;
use greenhub::{Builder, JoinHandle};

/// The two kinds of greenlets. Every behaviour holds for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Settled,
    Migrating,
}

/// Both of them.
pub(crate) const KINDS: [Kind; 2] = [Kind::Settled, Kind::Migrating];

impl Kind {
    /// Spawns a greenlet of this kind. A migrating one must keep nothing of its thread's across a wait: the tests that
    /// look at thread-locals say so where they do.
    #[track_caller]
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match self {
            Kind::Settled => greenhub::spawn(f),
            // SAFETY: as above.
            Kind::Migrating => unsafe { greenhub::spawn_migrating(f) },
        }
    }

    /// A builder of greenlets of this kind.
    pub(crate) fn builder(self) -> Builder {
        match self {
            Kind::Settled => Builder::new(),
            // SAFETY: as above.
            Kind::Migrating => unsafe { Builder::new().migrating() },
        }
    }

    /// The kind by its name, as [`Kind::name`] gives it.
    pub(crate) fn named(name: &str) -> Kind {
        KINDS
            .into_iter()
            .find(|kind| kind.name() == name)
            .expect("one of the two names")
    }

    /// A name to hand to a child process.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Settled => "settled",
            Kind::Migrating => "migrating",
        }
    }
}

/// How often a stress test repeats: `release` times in a release build and `debug` in a debug build, times
/// `GREENHUB_STRESS` if that is set.
pub(crate) fn times(release: usize, debug: usize) -> usize {
    (if cfg!(debug_assertions) {
        debug
    } else {
        release
    }) * stress()
}

/// The factor that `GREENHUB_STRESS` asks for.
pub(crate) fn stress() -> usize {
    std::env::var("GREENHUB_STRESS").ok().map_or(1, |factor| {
        factor.parse().expect("GREENHUB_STRESS is a number")
    })
}

/// How long a test may take before it counts as hung, on a machine that does much else.
fn patience() -> Duration {
    Duration::from_secs(90) * u32::try_from(stress()).expect("a factor of reasonable size")
}

/// Aborts the process, with the test's name, if it has not been dropped in time.
pub(crate) struct Watchdog {
    _ends: mpsc::Sender<()>,
}

impl Watchdog {
    /// Watches the current test.
    #[track_caller]
    pub(crate) fn start() -> Watchdog {
        let place = std::panic::Location::caller();
        let name = std::thread::current().name().unwrap_or("main").to_owned();
        let (sender, receiver) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if receiver.recv_timeout(patience()) == Err(RecvTimeoutError::Timeout) {
                eprintln!("test '{name}' at {place} hangs");
                std::process::abort();
            }
        });
        Watchdog { _ends: sender }
    }
}

/// A runtime of so many hubs.
pub(crate) fn runtime(hubs: usize) -> Runtime {
    Runtime::builder().hubs(hubs).build().expect("a runtime")
}

/// Runs `test` as a greenlet of a runtime of so many hubs, for either kind, under a watchdog.
#[track_caller]
pub(crate) fn on_hubs(hubs: usize, test: fn(Kind)) {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(hubs);
        runtime
            .run(move || kind.spawn(move || test(kind)).join())
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
}

/// Pseudo-random numbers: xorshift64 (Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}
