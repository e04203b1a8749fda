//! The thread that looks at a runtime's hubs.
//!
//! It looks five times in the time that a slice may last, and exactly when one that it has seen becomes overdue. Once nothing
//! has moved between two looks and all hubs are idle it sleeps, and the first hub to run something wakes it
//! ([`Slumber`](super::slumber::Slumber)). So an idle process is not woken, and a busy one a few dozen times a second.
//!
//! Only the main lane is watched: what runs on the compute lane is meant to compute.
//!
//! # An overdue slice, step by step
//!
//! 1. The hub's slice number has not changed for too long ([`Watch`]).
//! 2. A reference to the greenlet is taken, provided that the number is still the same ([`Shared::running_on`]): it is that
//!    slice's greenlet, or nobody's.
//! 3. If the greenlet says that it is meant to block, the clock starts again. It leaves such a stretch by counting an
//!    excuse, and only then saying so; therefore the count is looked at once more after this.
//! 4. If it waits by blocking its thread, because it unwinds, that is the cause. Otherwise
//!    the thread is asked what it does. Its stack is copied. What is learnt after the slice has ended is thrown
//!    away.
//! 5. The reporter finds the names, and tells.
//!
//! # The end
//!
//! The detector watches until the last hub's thread has ended, so through the shutdown as well. Then the thread ends, after the
//! reporter's; the runtime joins it with those of the hubs.

use std::any::Any;
use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::capture::{SliceProbe, Snapshot, Target};
use super::cause::Cause;
use super::config::BlockingDetector;
use super::diagnosis::{Sample, diagnose};
use super::report::BlockingReport;
use super::reporter::{Event, Reporter};
use super::sites::{BlockingSite, Sites};
use super::slumber::Slumber;
use super::untold::OnTheirWay;
use super::verdicts::Verdicts;
use super::watch::{Look, Overdue, Sight, Watch};
use crate::greenlet::{Greenlet, Hopeless};
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::sync::{Arc, Mutex};
use crate::primitive::thread::{Parker, Unparker};
use crate::scheduler::{LaneKind, Observer, Remote, Shared};
use crate::wait;

/// How long the end of `greenhub::run` waits for reports. To find the names of a large program's functions takes a while.
const PATIENCE: Duration = Duration::from_secs(5);

/// A slice whose greenlet waits for what will never be, and the slice's number.
#[derive(Clone, Copy)]
struct HopelessSlice {
    number: u64,
    wait: Hopeless,
}

/// A runtime's detector, as its hubs see it.
pub(crate) struct Watchdog {
    settings: BlockingDetector,
    /// The hubs' threads, each while it is there.
    targets: Box<[Mutex<Option<Target>>]>,
    sites: Arc<Mutex<Sites>>,
    /// The last wait of each hub that will never end: it is told of at once.
    hopeless: Box<[Mutex<Option<HopelessSlice>>]>,
    /// Only if reports are denied.
    verdicts: Option<Arc<Verdicts>>,
    on_their_way: Arc<OnTheirWay>,
    slumber: Slumber,
    unparker: Unparker,
    /// The thread takes it when it starts.
    parker: Mutex<Option<Parker>>,
    ends: AtomicBool,
}

impl Watchdog {
    /// For a runtime whose main lane has so many hubs.
    pub(crate) fn new(settings: BlockingDetector, hubs: usize) -> Arc<Watchdog> {
        let parker = Parker::new();
        let verdicts = settings.deny.then(Arc::default);
        Arc::new(Watchdog {
            settings,
            targets: (0..hubs).map(|_| Mutex::new(None)).collect(),
            hopeless: (0..hubs).map(|_| Mutex::new(None)).collect(),
            sites: Arc::default(),
            verdicts,
            on_their_way: Arc::default(),
            slumber: Slumber::new(),
            unparker: parker.unparker().clone(),
            parker: Mutex::new(Some(parker)),
            ends: AtomicBool::new(false),
        })
    }

    /// Starts the thread, for the runtime that was built with this.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub(crate) fn start(self: &Arc<Watchdog>, shared: &Arc<Shared>) -> io::Result<()> {
        let Some(parker) = self.parker.lock().take() else {
            return Ok(());
        };
        wait::note_holders();
        let prefix = shared.config().thread_name.clone();
        let name = format!("{prefix}-detector");
        let (watchdog, owner) = (Arc::clone(self), Arc::clone(shared));
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn(move || Patrol::new(watchdog, owner, prefix).run(&parker))
            .map_err(|error| {
                let message = format!("could not start the detector's thread ({name}): {error}");
                io::Error::new(error.kind(), message)
            })?;
        shared.add_companion(thread);
        Ok(())
    }

    /// What was reported, by spawn site.
    pub(crate) fn sites(&self) -> Vec<BlockingSite> {
        self.sites.lock().list()
    }

    /// If reports are denied: what was reported since this was last asked.
    pub(crate) fn take_verdict(&self) -> Option<String> {
        self.verdicts.as_ref()?.take()
    }

    /// Waits, but not for ever, until what has been found is told of: the process may be about to end.
    pub(crate) fn wait_until_told(&self) {
        self.on_their_way.wait(PATIENCE);
    }
}

/// The detector of a runtime, if it has one.
pub(crate) fn of(shared: &Shared) -> Option<&Watchdog> {
    shared.observer()?.as_any().downcast_ref()
}

impl Observer for Watchdog {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn hub_begins(&self, lane: LaneKind, index: usize) {
        if lane == LaneKind::Main {
            *self.targets[index].lock() = Some(Target::of_this_thread());
        }
    }

    fn hub_ends(&self, lane: LaneKind, index: usize) {
        if lane == LaneKind::Main {
            // Waits while somebody is looking at the thread.
            *self.targets[index].lock() = None;
        }
    }

    fn hub_wakes(&self) {
        if self.slumber.ends() {
            self.unparker.unpark();
        }
    }

    fn wait_is_hopeless(&self, hub: usize, slice: u64, hopeless: Hopeless) {
        *self.hopeless[hub].lock() = Some(HopelessSlice {
            number: slice,
            wait: hopeless,
        });
        self.unparker.unpark();
    }

    fn hubs_have_ended(&self) {
        // Relaxed: the unpark publishes it.
        self.ends.store(true, Ordering::Relaxed);
        self.unparker.unpark();
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The thread's own things.
struct Patrol {
    watchdog: Arc<Watchdog>,
    shared: Arc<Shared>,
    /// What the runtime's threads are called.
    prefix: String,
    watch: Watch,
    hubs: Box<[Suspect]>,
    reporter: Option<Reporter>,
}

/// What is remembered of a hub beyond its slice.
#[derive(Default)]
struct Suspect {
    /// At the last look.
    sight: Sight,
    /// When its thread was first seen standing still.
    sample: Option<Sample>,
    /// The greenlet of the slice that was told of.
    culprit: Option<Greenlet>,
}

impl Patrol {
    fn new(watchdog: Arc<Watchdog>, shared: Arc<Shared>, prefix: String) -> Patrol {
        let hubs = shared.main_lane().remotes().len();
        Patrol {
            watch: Watch::new(hubs, watchdog.settings.limit, Instant::now()),
            hubs: (0..hubs).map(|_| Suspect::default()).collect(),
            watchdog,
            shared,
            prefix,
            reporter: None,
        }
    }

    fn run(mut self, parker: &Parker) {
        // Relaxed: set before an unpark, which this thread has taken.
        while !self.watchdog.ends.load(Ordering::Relaxed) {
            if !self.look_around() && self.all_hubs_sleep() {
                parker.park();
                self.watchdog.slumber.leave();
                continue;
            }
            let now = Instant::now();
            let wanted = self.watch.next_look(now);
            parker.park_deadline(wanted);
            let now = Instant::now();
            let late = now.saturating_duration_since(wanted);
            if late > self.watch.interval() {
                self.watch.overslept(late, now);
            }
        }
        // Slices that were told of are over.
        self.look_around();
        if let Some(reporter) = self.reporter.take() {
            reporter.end();
        }
    }

    /// Says that the watchdog is about to sleep, and looks whether it may.
    fn all_hubs_sleep(&self) -> bool {
        self.watchdog.slumber.enter();
        let may = self.shared.main_lane().idle().all_sleep()
            && !self.watchdog.ends.load(Ordering::Relaxed);
        if !may {
            self.watchdog.slumber.leave();
        }
        may
    }

    /// A look at every hub: `false` if nothing has moved since the last one, and no hub is in a slice.
    fn look_around(&mut self) -> bool {
        let mut moved = false;
        let shared = Arc::clone(&self.shared);
        for remote in shared.main_lane().remotes() {
            let sight = Sight::of(remote);
            let before = std::mem::replace(&mut self.hubs[remote.index()].sight, sight);
            moved |= !sight.is_same_slice(before) || sight.is_in_slice();
            self.look_at(remote, sight, before);
        }
        moved
    }

    fn look_at(&mut self, remote: &Remote, sight: Sight, before: Sight) {
        let hub = remote.index();
        let limit = match self.hopeless_wait(hub, sight.number) {
            Some(_) => Duration::ZERO,
            None => self.watchdog.settings.limit,
        };
        let mut over = None;
        let look = self
            .watch
            .look(hub, sight, Instant::now(), limit, |elapsed| {
                over = Some(elapsed);
            });
        if let Some(elapsed) = over {
            self.slice_is_over(hub, before.number, elapsed);
        }
        match look {
            Look::Moving => self.hubs[hub].sample = None,
            Look::Standing if self.hubs[hub].sample.is_none() => {
                self.hubs[hub].sample = self.with_target(hub, Sample::of).flatten();
            }
            Look::Standing => {}
            Look::Overdue(overdue) => self.slice_is_overdue(remote, sight, overdue),
        }
    }

    fn slice_is_over(&mut self, hub: usize, number: u64, elapsed: Duration) {
        let Some(greenlet) = self.hubs[hub].culprit.take() else {
            return;
        };
        self.watchdog
            .sites
            .lock()
            .add(greenlet.spawned_at(), elapsed);
        if let Some(reporter) = &self.reporter {
            // If too many wait, its closing line is left out.
            reporter.tell(Event::Yielded {
                hub,
                number,
                elapsed,
            });
        }
    }

    fn slice_is_overdue(&mut self, remote: &Remote, sight: Sight, overdue: Overdue) {
        let hub = remote.index();
        let Some(greenlet) = self.shared.running_on(remote, sight.number) else {
            // It has ended this very moment.
            return;
        };
        let hopeless = self.hopeless_wait(hub, sight.number);
        if hopeless.is_none() && greenlet.header().may_block() {
            self.watch.excuse(hub, Instant::now());
            self.hubs[hub].sample = None;
            return;
        }
        if !Sight::of(remote).is_same_slice(sight) {
            return;
        }
        let untold = self.watchdog.on_their_way.begin();
        let place = greenlet.spawned_at();
        let unwinding = Cause::of_unwinding(&greenlet, hopeless);
        // To wait is not to compute.
        let isolated = self.watchdog.settings.isolate && unwinding.is_none();
        if isolated {
            self.shared.isolation().add(place);
        }
        self.watchdog.sites.lock().count(place, isolated);
        let (due, overslept) = timers_due(remote, Instant::now());
        let (cause, snapshot) = self.examine(remote, sight.number);
        self.hubs[hub].culprit = Some(greenlet.clone());
        let report = BlockingReport {
            greenlet,
            hub,
            elapsed: overdue.elapsed,
            cause: unwinding.unwrap_or(cause),
            stack: Vec::new(),
            stranded: sight.ready + due,
            longest_wait: overdue.longest_wait.max(overslept),
            repeats: 0,
            isolated,
        };
        self.tell(Event::Blocked {
            report,
            number: sight.number,
            snapshot,
            untold,
        });
    }

    /// What was said of the wait in which the slice of this number is.
    fn hopeless_wait(&self, hub: usize, number: u64) -> Option<Hopeless> {
        let told = *self.watchdog.hopeless[hub].lock();
        told.filter(|slice| slice.number == number)
            .map(|slice| slice.wait)
    }

    /// What the hub's thread does, and a copy of its stack, as long as it is in that slice.
    fn examine(&self, remote: &Remote, number: u64) -> (Cause, Option<Snapshot>) {
        let hub = remote.index();
        let running = &remote.heartbeat().running;
        let sample = self.hubs[hub].sample;
        let probe = SliceProbe {
            word: running.number_place(),
            expected: number,
        };
        let found = self.with_target(hub, |target| {
            let cause = diagnose(target, sample);
            let is_that_slice = running.number() == number;
            (is_that_slice.then_some(cause), target.capture(&probe))
        });
        let (cause, snapshot) = found.unwrap_or_default();
        (cause.unwrap_or(Cause::Unknown), snapshot)
    }

    fn with_target<R>(&self, hub: usize, f: impl FnOnce(&Target) -> R) -> Option<R> {
        self.watchdog.targets[hub].lock().as_ref().map(f)
    }

    fn tell(&mut self, event: Event) {
        let verdicts = self.watchdog.verdicts.as_ref();
        if let Some(verdicts) = verdicts {
            verdicts.expect();
        }
        if self.reporter.is_none() {
            let name = format!("{}-reports", self.prefix);
            let hook = self.watchdog.settings.hook.clone();
            // Without a thread nobody is told this time, and the next report tries again.
            self.reporter = Reporter::start(name, hook, verdicts.cloned()).ok();
        }
        let reporter = self.reporter.as_ref();
        let told = reporter.is_some_and(|reporter| reporter.tell(event));
        if let (false, Some(verdicts)) = (told, verdicts) {
            verdicts.settle(None);
        }
    }
}

/// How many timers of the hub should have fired by now, and how late the first of them is. Usually other hubs have fired
/// them.
fn timers_due(remote: &Remote, now: Instant) -> (usize, Duration) {
    let (mut count, mut longest) = (0, Duration::ZERO);
    remote.driver().timers().for_each(|at, _| {
        if at <= now {
            count += 1;
            longest = longest.max(now - at);
        }
    });
    (count, longest)
}

impl Sight {
    /// What is to be seen of a hub now.
    fn of(remote: &Remote) -> Sight {
        // Relaxed, both: they need not belong to the same moment. A slice is reported only if both are the same twice.
        Sight {
            number: remote.heartbeat().running.number(),
            excuses: remote.heartbeat().excuses.get(),
            ready: remote.ready(),
        }
    }
}
