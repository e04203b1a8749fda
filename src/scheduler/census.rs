//! Counting heads: every greenlet of a runtime, where it is, and what the hubs are at.
//!
//! Nothing is kept for this while nobody asks: no list of all greenlets, no lock, no counter. So a census goes to every
//! place where the README beside this file says that a greenlet may lie, and each has a way of its own to be looked at:
//!
//! | place | how |
//! | --- | --- |
//! | a hub's timers | any thread, under their lock |
//! | the injector | any thread: each is taken out, noted, and injected again |
//! | a hub's list of settled ones, and its queues | the hub itself, between two slices: it is asked (`survey.rs`) |
//! | the same, of a hub that is stuck | the list from outside (`outside.rs`); what can be stolen is moved to the injector |
//! | the lane's list of migrating ones | any thread, under its lock |
//!
//! **Who is listed.** A greenlet that has started, and does not end meanwhile, is in one of the lists all the time, so it is
//! found; and once, since what was found in two places is told apart by its number. One that has not started moves from
//! timers to queues to lists, and the census goes the same way after it. It may miss one that is stolen sideways, or is in
//! somebody's hands between two places, at that moment.
//!
//! **Nobody is stopped.** The asker waits for answers for [`PATIENCE`]. After that it looks from outside at hubs that have been
//! in the same slice, and gives the others, which only the operating system keeps from running, some more time. A hub spends
//! as long on its answer as it takes to count a reference to each of its greenlets.
//!
//! **No wake-up is lost.** A greenlet that is taken out of a queue and pushed again is pushed as any other: a hub is
//! notified as after any push, and the shutdown's flag is looked at as after any push from outside. Nobody holds more
//! than one at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::hub::{self, Hub};
use super::lane::{Lane, LaneKind};
use super::outside::{self, Look, Seen};
use super::question::{Answer, Answers, Question, Queued};
use super::remote::Remote;
use super::shared::Shared;
use super::shutdown;
use super::telling::tell;
use crate::driver::Fire;
use crate::greenlet::{Details, Greenlet, GreenletId, Moment, WaitKind};
use crate::primitive::sync::Arc;
use crate::wait;

/// How long a hub has to answer: longer than any slice should last.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often it is given as much again, while it is between two slices or comes from one to the next.
const EXTENSIONS: u32 = 10;

/// A runtime's greenlets and hubs at about one moment.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) taken: Moment,
    /// In the order of their numbers.
    pub(crate) greenlets: Vec<Listed>,
    pub(crate) hubs: Vec<HubState>,
    /// Greenlets that wait in the injectors.
    pub(crate) injected: usize,
    /// Greenlets that have not started, beyond those that are listed.
    pub(crate) untold: usize,
}

/// One greenlet.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) details: Details,
    pub(crate) lane: LaneKind,
    /// Where it has settled, is queued, or runs.
    pub(crate) hub: Option<usize>,
    pub(crate) running: bool,
    /// When it is to begin, if it waits for that.
    pub(crate) starts_at: Option<Instant>,
    /// Where its header is, or was.
    pub(crate) address: usize,
    /// It was seen from outside, and is known to be alive while its hub is in this slice.
    pub(crate) seen_in: Option<u64>,
    /// Itself; `None` if it was seen from outside only.
    pub(crate) greenlet: Option<Greenlet>,
}

/// One hub.
#[derive(Debug)]
pub(crate) struct HubState {
    pub(crate) lane: LaneKind,
    pub(crate) index: usize,
    pub(crate) activity: Activity,
    pub(crate) told: Told,
    /// Settled greenlets that are ready.
    pub(crate) ready: usize,
    /// Greenlets that other hubs may steal.
    pub(crate) stealable: usize,
    /// Fresh ones for which there was no stack.
    pub(crate) stackless: usize,
    pub(crate) timers: usize,
    pub(crate) sockets: usize,
}

/// What a hub was doing when the census began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It waited in its poller.
    Idle,
    /// A slice; the greenlet, if it has been listed.
    Running(Option<GreenletId>),
    /// It looked for work.
    Searching,
}

/// Where a hub's greenlets are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// From itself.
    Itself,
    /// It is stuck in one slice, and was looked at from outside.
    Outside,
    /// Its settled greenlets are not listed: it has not answered, and this system allows no look from outside.
    Nothing,
    /// Its thread has ended, or is about to.
    Ended,
}

/// The greenlets found so far.
#[derive(Default)]
struct Found {
    listed: Vec<Listed>,
    /// Where in `listed` each is.
    places: HashMap<GreenletId, usize>,
    /// The greenlets that run, by the addresses of their headers: which hub runs them.
    running: HashMap<usize, usize>,
    untold: usize,
}

/// A hub, as the census goes on.
struct Asked<'a> {
    lane: &'a Lane,
    remote: &'a Remote,
    state: HubState,
    /// The address of the greenlet that it ran at the beginning.
    ran: Option<usize>,
}

/// Takes a census of the runtime. Waits for its hubs: a greenlet parks meanwhile, an OS thread blocks.
#[track_caller]
pub(crate) fn take(shared: &Arc<Shared>) -> Census {
    let mut hubs: Vec<Asked<'_>> = shared
        .lanes()
        .flat_map(|lane| lane.remotes().iter().map(move |remote| (lane, remote)))
        .map(|(lane, remote)| Asked::new(lane, remote))
        .collect();
    let mut found = Found::default();
    for hub in &hubs {
        found.add_delayed(hub);
    }
    let mut injected = 0;
    for lane in shared.lanes() {
        injected += lane.injector().len();
        let queued = note_injected(shared, lane);
        found.add_queued(queued, lane.kind(), None);
    }
    let answers = ask(&hubs);
    let mut outside = wait_for(&answers, &hubs);
    // Who runs is looked at once more, close to the states of the greenlets.
    found.running = hubs.iter().filter_map(Asked::runs).collect();
    for (hub, answer) in hubs.iter_mut().zip(answers.close()) {
        let seen = outside.remove(&hub.key());
        found.add_hub(shared, hub, answer, seen);
    }
    for lane in shared.lanes() {
        // Handles first: nothing else is done under the lock.
        let migrating = lane.migrating().lock().handles();
        for greenlet in migrating {
            found.add(greenlet, lane.kind(), None);
        }
    }
    found.finish(hubs, injected)
}

/// Asks every hub; the one that the caller runs on answers at once. A hub that has ended has nothing to tell.
fn ask(hubs: &[Asked<'_>]) -> Arc<Answers> {
    let answers = Arc::new(Answers::new(hubs.len()));
    for (place, asked) in hubs.iter().enumerate() {
        let question = Question {
            answers: Arc::clone(&answers),
            place,
        };
        let is_own = |hub: &&Hub| std::ptr::eq(hub.remote(), asked.remote);
        hub::with_current_or(
            |hub| is_own(&hub),
            |own| match own {
                Some(hub) => question.reply(tell(hub)),
                None => match asked.remote.questions().ask(question) {
                    Ok(()) => asked.remote.driver().notify(),
                    Err(question) => question.reply(Answer::of_ended()),
                },
            },
        );
    }
    answers
}

/// What was seen from outside, by the hub's lane and number; `None` where nothing can be.
type Outside = HashMap<(usize, usize), Option<Seen>>;

/// Waits until every hub has answered or has been looked at from outside.
#[track_caller]
fn wait_for(answers: &Answers, hubs: &[Asked<'_>]) -> Outside {
    let mut outside = Outside::new();
    for _ in 0..=EXTENSIONS {
        let until = Instant::now() + PATIENCE;
        while !answers.is_complete(wait::current_unparker()) {
            if wait::has_passed(Some(until)) {
                break;
            }
            wait::park(WaitKind::Dump, Some(until));
        }
        let mut all = true;
        for (place, hub) in hubs.iter().enumerate() {
            if answers.has_answered(place) || outside.contains_key(&hub.key()) {
                continue;
            }
            match outside::look(hub.remote) {
                Look::Settled(settled) => drop(outside.insert(hub.key(), Some(settled))),
                Look::Refused => drop(outside.insert(hub.key(), None)),
                Look::Moved => all = false,
            }
        }
        if all {
            break;
        }
    }
    outside
}

/// Notes what is in the injector, each in its turn.
fn note_injected(shared: &Shared, lane: &Lane) -> Queued {
    let mut queued = Queued::default();
    for _ in 0..lane.injector().len() {
        let Some(ready) = lane.injector().take() else {
            break;
        };
        queued.note(|| Greenlet::of(&ready));
        inject(shared, lane, ready);
    }
    queued
}

/// Moves to the injector, and notes, what can be stolen from a hub that is stuck.
fn note_stealable(shared: &Shared, lane: &Lane, remote: &Remote) -> Queued {
    let mut queued = Queued::default();
    for _ in 0..remote.stealer().len() {
        let Some(ready) = remote.stealer().take() else {
            break;
        };
        queued.note(|| Greenlet::of(&ready));
        inject(shared, lane, ready);
    }
    queued
}

/// As a spawner from outside does.
fn inject(shared: &Shared, lane: &Lane, ready: crate::greenlet::Ready) {
    lane.inject(ready);
    if shared.closing().is_raised_after_push() {
        shutdown::clear_injector(shared, lane);
    }
}

impl<'a> Asked<'a> {
    fn new(lane: &'a Lane, remote: &'a Remote) -> Asked<'a> {
        let ran = remote.heartbeat().running.address();
        let activity = match ran {
            Some(_) => Activity::Running(None),
            None if remote.inbox().is_idle() => Activity::Idle,
            None => Activity::Searching,
        };
        Asked {
            lane,
            remote,
            ran,
            state: HubState {
                lane: lane.kind(),
                index: remote.index(),
                activity,
                told: Told::Itself,
                ready: remote.backlog().get(),
                stealable: remote.stealer().len(),
                stackless: 0,
                timers: remote.driver().timers().len(),
                sockets: remote.driver().registered(),
            },
        }
    }

    fn key(&self) -> (usize, usize) {
        (self.lane.kind() as usize, self.remote.index())
    }

    fn runs(&self) -> Option<(usize, usize)> {
        Some((self.remote.heartbeat().running.address()?, self.state.index))
    }
}

impl Found {
    fn add_delayed(&mut self, hub: &Asked<'_>) {
        let mut delayed = Vec::new();
        hub.remote.driver().timers().for_each(|at, fire| {
            if let Fire::Start(ready) = fire {
                delayed.push((at, Greenlet::of(ready)));
            }
        });
        for (at, greenlet) in delayed {
            self.add(greenlet, hub.lane.kind(), Some(hub.state.index));
            if let Some(listed) = self.listed.last_mut() {
                listed.starts_at = Some(at);
            }
        }
    }

    fn add_queued(&mut self, queued: Queued, lane: LaneKind, hub: Option<usize>) {
        self.untold += queued.untold;
        for greenlet in queued.greenlets {
            self.add(greenlet, lane, hub);
        }
    }

    fn add_hub(
        &mut self,
        shared: &Shared,
        hub: &mut Asked<'_>,
        answer: Option<Answer>,
        seen: Option<Option<Seen>>,
    ) {
        let (lane, index) = (hub.lane.kind(), hub.state.index);
        if let Some(answer) = answer {
            if answer.ended {
                hub.state.told = Told::Ended;
                hub.state.stealable = 0;
            }
            hub.state.ready = answer.ready;
            hub.state.stackless = answer.stackless;
            self.add_queued(answer.queued, lane, Some(index));
            for greenlet in answer.settled {
                self.add(greenlet, lane, Some(index));
            }
            return;
        }
        let queued = note_stealable(shared, hub.lane, hub.remote);
        self.add_queued(queued, lane, Some(index));
        hub.state.told = match seen {
            Some(Some(settled)) => {
                for (address, details) in settled.greenlets {
                    let id = details.id;
                    self.insert(address, details, lane, Some(index), None);
                    if let Some(&place) = self.places.get(&id) {
                        self.listed[place].seen_in = Some(settled.slice);
                    }
                }
                Told::Outside
            }
            _ => Told::Nothing,
        };
    }

    fn add(&mut self, greenlet: Greenlet, lane: LaneKind, hub: Option<usize>) {
        let header = greenlet.header();
        let (address, details) = (
            std::ptr::from_ref(header).addr(),
            Details::of(greenlet.header()),
        );
        self.insert(address, details, lane, hub, Some(greenlet));
    }

    /// What is found later knows better.
    fn insert(
        &mut self,
        address: usize,
        details: Details,
        lane: LaneKind,
        hub: Option<usize>,
        greenlet: Option<Greenlet>,
    ) {
        let runs_on = self.running.get(&address).copied();
        let id = details.id;
        let mut listed = Listed {
            details,
            lane,
            hub: runs_on.or(hub),
            running: runs_on.is_some(),
            starts_at: None,
            address,
            seen_in: None,
            greenlet,
        };
        match self.places.get(&id) {
            None => {
                self.places.insert(id, self.listed.len());
                self.listed.push(listed);
            }
            Some(&place) => {
                let before = &mut self.listed[place];
                listed.hub = listed.hub.or(before.hub);
                listed.greenlet = listed.greenlet.or(before.greenlet.take());
                *before = listed;
            }
        }
    }

    fn finish(mut self, hubs: Vec<Asked<'_>>, injected: usize) -> Census {
        let ids: HashMap<usize, GreenletId> = self
            .listed
            .iter()
            .map(|listed| (listed.address, listed.details.id))
            .collect();
        let hubs = hubs
            .into_iter()
            .map(|hub| {
                let mut state = hub.state;
                if let Some(address) = hub.ran {
                    state.activity = Activity::Running(ids.get(&address).copied());
                }
                state
            })
            .collect();
        self.listed.sort_by_key(|listed| listed.details.id);
        Census {
            taken: Moment::of(Instant::now()),
            greenlets: self.listed,
            hubs,
            injected,
            untold: self.untold,
        }
    }
}
