//! What the behaviour tests share: running a scenario for every kind of greenlet and number of hubs, waiting for
//! conditions instead of sleeping, ending a test that hangs, and running what must crash in a child process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::any::Any;
use std::io;
use std::panic::resume_unwind;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use greenhub::runtime::Runtime;
use greenhub::{Builder, Greenlet, JoinHandle};

/// How long a test may take: far longer than any does, on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How long [`eventually`] waits. Shorter than [`LIMIT`], so that what was waited for in vain is named.
const PATIENCE: Duration = Duration::from_secs(40);

/// Names the test that a child process is to run.
const CHILD: &str = "GREENHUB_TEST_CHILD";

/// The two kinds of greenlets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Settled,
    Migrating,
}

impl Kind {
    pub(crate) const BOTH: [Kind; 2] = [Kind::Settled, Kind::Migrating];

    /// Spawns a greenlet of this kind.
    #[track_caller]
    pub(crate) fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Kind::Settled => greenhub::spawn(f),
            // SAFETY: the tests keep nothing that belongs to a thread across a wait.
            Kind::Migrating => unsafe { greenhub::spawn_migrating(f) },
        }
    }

    /// A builder of greenlets of this kind.
    pub(crate) fn builder(self) -> Builder {
        match self {
            Kind::Settled => Builder::new(),
            // SAFETY: as for `spawn`.
            Kind::Migrating => unsafe { Builder::new().migrating() },
        }
    }
}

/// Runs the scenario as a greenlet of either kind, on the global runtime.
#[track_caller]
pub(crate) fn both_kinds(scenario: fn(Kind)) {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        finish(
            kind.spawn(move || scenario(kind)).join(),
            &format!("{kind:?}"),
        );
    }
}

/// Runs the scenario as a greenlet of either kind, on runtimes of their own with `hubs` hubs.
#[track_caller]
pub(crate) fn both_kinds_on(hubs: usize, scenario: fn(Kind)) {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(hubs);
        let ended = runtime.run(|| kind.spawn(move || scenario(kind)).join());
        finish(ended, &format!("{kind:?} on {hubs} hubs"));
    }
}

/// Runs the scenario as a greenlet of either kind, on 1, 2 and 4 hubs.
#[track_caller]
pub(crate) fn everywhere(scenario: fn(Kind)) {
    for hubs in [1, 2, 4] {
        both_kinds_on(hubs, scenario);
    }
}

/// Runs the scenario as a settled greenlet, on 1, 2 and 4 hubs: for what must not migrate, as it holds an `Rc` or a
/// local greenlet's handle across a wait.
#[track_caller]
pub(crate) fn settled_everywhere(scenario: fn()) {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        runtime(hubs).run(scenario);
    }
}

/// Goes on with a scenario's panic, after a line that says which it was.
#[track_caller]
fn finish(ended: Result<(), greenhub::JoinError>, which: &str) {
    if let Err(error) = ended {
        eprintln!("the scenario failed: {which}");
        match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(killed) => panic!("{killed}"),
        }
    }
}

/// A runtime with so many hubs.
#[track_caller]
pub(crate) fn runtime(hubs: usize) -> Runtime {
    Runtime::builder()
        .hubs(hubs)
        .build()
        .expect("the runtime starts")
}

/// Waits until the condition holds, letting others run meanwhile; panics if it never does. Leaves permits of `park` alone.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        greenhub::yield_now();
    }
}

/// Waits until the greenlet is parked, for whatever reason.
#[track_caller]
pub(crate) fn until_parked(greenlet: &Greenlet) {
    eventually("the greenlet parks", || {
        format!("{greenlet:?}").contains("Parked(")
    });
}

/// Waits until the greenlet is parked in a wait of that kind: "park", "sleep", "join", "scope".
#[track_caller]
pub(crate) fn until_parked_in(greenlet: &Greenlet, wait: &str) {
    let state = format!("Parked({wait} ");
    eventually("the greenlet parks in that wait", || {
        format!("{greenlet:?}").contains(&state)
    });
}

/// A door that is closed until somebody opens it. Whoever waits for it yields: so it makes a greenlet that is never
/// parked, and takes no permit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    #[track_caller]
    pub(crate) fn pass(&self) {
        eventually("the gate opens", || self.is_open());
    }

    /// As [`Gate::pass`], but keeps the OS thread to itself.
    #[track_caller]
    pub(crate) fn pass_blocking(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_open() {
            assert!(Instant::now() < deadline, "waited in vain: the gate opens");
            std::thread::yield_now();
        }
    }
}

/// Counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<AtomicUsize>);

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally::default()
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// A value that counts its own drop.
    pub(crate) fn on_drop(&self) -> CountsDrop {
        CountsDrop(self.clone())
    }
}

/// See [`Tally::on_drop`].
#[derive(Debug)]
pub(crate) struct CountsDrop(Tally);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A panic's text.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return text;
    }
    payload
        .downcast_ref::<String>()
        .map_or("a value that is not text", String::as_str)
}

/// The text of the panic that `f` must end with.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => text(&*payload).to_owned(),
    }
}

/// Ends the process with the test's name if the test does not end in time. The test has ended when this is dropped.
pub(crate) struct Watchdog(
    #[expect(dead_code, reason = "its drop is the signal")] mpsc::Sender<()>,
);

impl Watchdog {
    pub(crate) fn new() -> Watchdog {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let (ended, has_ended) = mpsc::channel();
        std::thread::spawn(move || {
            if has_ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                // Straight to the descriptor: what libtest has captured is lost with an abort.
                let line = format!("\n{test}: has not ended after {LIMIT:?}\n");
                let _ = io::Write::write_all(&mut io::stderr().lock(), line.as_bytes());
                std::process::abort();
            }
        });
        Watchdog(ended)
    }
}

/// Runs `body` in a child process: a copy of this test binary that runs the test `test`, which must call this again with
/// the same body. Returns what became of it. `body` returning means that the child exits with 0.
#[track_caller]
pub(crate) fn in_child(test: &str, environment: &[(&str, &str)], body: fn()) -> Output {
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        let _watchdog = Watchdog::new();
        body();
        std::process::exit(0);
    }
    let program = std::env::current_exe().expect("a running test has a path");
    let mut command = Command::new(program);
    command
        .args([
            test,
            "--exact",
            "--nocapture",
            "--include-ignored",
            "--test-threads=1",
        ])
        .env(CHILD, test)
        .env_remove("RUST_BACKTRACE")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let output = command.output().expect("a child process starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        !out.contains("running 0 tests"),
        "there is no test called {test}"
    );
    output
}

/// What a child process has written to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
