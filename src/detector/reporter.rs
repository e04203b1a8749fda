//! The thread that finds names for stacks, and hands reports on: so the watchdog goes on watching while a hook takes its
//! time. It starts with the first report.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use super::capture::{Snapshot, resolve};
use super::config::Hook;
use super::repeats::Repeats;
use super::report::{BlockingReport, Rounded};
use super::trace;
use super::untold::Untold;
use super::verdicts::Verdicts;
use crate::primitive::sync::Arc;

/// So many events may wait for a slow hook. What comes then is counted by its spawn site, and not told of.
const WAITING: usize = 64;

/// How long the end of a runtime waits for a hook that is still at work. After that the thread is left to itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the watchdog has to tell.
#[derive(Debug)]
pub(crate) enum Event {
    /// A slice is overdue. The report's stack is yet to be made of the snapshot.
    Blocked {
        report: BlockingReport,
        number: u64,
        snapshot: Option<Snapshot>,
        /// Until this is dropped, it is yet to be told.
        untold: Untold,
    },
    /// A slice that was overdue has ended.
    Yielded {
        hub: usize,
        number: u64,
        elapsed: Duration,
    },
}

/// The watchdog's end of it.
#[derive(Debug)]
pub(crate) struct Reporter {
    events: SyncSender<Event>,
    ended: Receiver<()>,
    thread: thread::JoinHandle<()>,
}

impl Reporter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system gives none.
    pub(crate) fn start(
        name: String,
        hook: Option<Hook>,
        verdicts: Option<Arc<Verdicts>>,
    ) -> io::Result<Reporter> {
        let (events, received) = mpsc::sync_channel(WAITING);
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name(name).spawn(move || {
            let mut desk = Desk {
                hook,
                verdicts,
                repeats: Repeats::default(),
                told: Vec::new(),
            };
            received.into_iter().for_each(|event| desk.handle(event));
            drop(end);
        })?;
        Ok(Reporter {
            events,
            ended,
            thread,
        })
    }

    /// Leaves an event. `false`: too many are waiting, and it is dropped.
    pub(crate) fn tell(&self, event: Event) -> bool {
        self.events.try_send(event).is_ok()
    }

    /// Ends the thread when it has handed on what it has, if that does not take too long.
    pub(crate) fn end(self) {
        drop(self.events);
        if self.ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
            // A panic of the hook's was caught; whatever else there was has been said by the panic hook.
            let _ = self.thread.join();
        }
    }
}

/// The thread's own things.
struct Desk {
    hook: Option<Hook>,
    verdicts: Option<Arc<Verdicts>>,
    repeats: Repeats,
    /// Slices that were told of and have not ended.
    told: Vec<Told>,
}

struct Told {
    hub: usize,
    number: u64,
    report: BlockingReport,
}

impl Desk {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Blocked {
                mut report,
                number,
                snapshot,
                untold,
            } => {
                report.stack = snapshot.as_ref().map(resolve).unwrap_or_default();
                let place = report.greenlet.spawned_at();
                let repeats = self.repeats.count(place, report.cause, &report.stack);
                report.repeats = repeats.unwrap_or_default();
                if let Some(verdicts) = &self.verdicts {
                    verdicts.settle(repeats.map(|_| report.to_string()));
                }
                if repeats.is_some() {
                    self.tell(number, report);
                }
                drop(untold);
            }
            Event::Yielded {
                hub,
                number,
                elapsed,
            } => {
                let is_it = |told: &Told| (told.hub, told.number) == (hub, number);
                if let Some(at) = self.told.iter().position(is_it) {
                    let report = self.told.swap_remove(at).report;
                    trace::yielded(&report, elapsed);
                    if self.hook.is_none() {
                        print(&format!(
                            "greenhub: yielded: {} ran {}",
                            report.greenlet.describe(),
                            Rounded(elapsed)
                        ));
                    }
                }
            }
        }
    }

    fn tell(&mut self, number: u64, report: BlockingReport) {
        trace::blocked(&report);
        match &self.hook {
            None => print(&report.to_string()),
            Some(hook) => {
                // The panic hook has said what there is to say.
                let _ = catch_unwind(AssertUnwindSafe(|| hook(&report)));
            }
        }
        let hub = report.hub;
        // One slice a hub: if the end of the last one was not heard of, it has ended all the same.
        self.told.retain(|told| told.hub != hub);
        self.told.push(Told {
            hub,
            number,
            report,
        });
    }
}

/// In one piece, so that it is not mixed up with what others write. A closed stderr is nobody's fault here.
fn print(text: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}
