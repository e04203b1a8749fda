//! What all hubs of a runtime share.

use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::thread::JoinHandle;

use super::closing::Closing;
use super::isolation::Isolation;
use super::lane::{Lane, LaneKind};
use super::observer::Observer;
use super::remote::Remote;
use super::running::Claim;
use crate::fiber::StackPool;
use crate::greenlet::{Greenlet, Header, Unparker};
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::primitive::sync::{Arc, Mutex, OnceLock, Weak};

/// What a runtime was built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Hubs of the main lane.
    pub(crate) hubs: usize,
    /// Hubs of the compute lane.
    pub(crate) compute_hubs: usize,
    /// What the hubs' threads are called, before a dash and a number.
    pub(crate) thread_name: String,
    /// The most greenlets that may be alive at once.
    pub(crate) max_greenlets: Option<usize>,
    /// Who is told what the hubs do, if anyone.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// One runtime's common state. Hub threads, the runtime and its handles hold it; greenlets point to its lanes without
/// holding it, which is sound because no hub thread lets go of it while a started greenlet is left.
pub(crate) struct Shared {
    config: Config,
    main: Lane,
    /// Made when the first greenlet is spawned into it.
    compute: OnceLock<Lane>,
    /// Taken while the compute lane is being made.
    compute_start: Mutex<()>,
    stacks: Arc<StackPool>,
    closing: Closing,
    /// Greenlets alive; counted only if there is a limit.
    alive: AtomicUsize,
    threads: Mutex<Threads>,
    /// The greenlet that a watcher is about to refer to.
    claim: Claim<Header>,
    isolation: Isolation,
    /// It was reported that everything waits.
    still: AtomicBool,
    this: Weak<Shared>,
}

/// The hubs' threads.
#[derive(Debug, Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    running: usize,
    /// Who waits for all of them to end.
    waiter: Option<Unparker>,
}

impl Shared {
    /// The state of a runtime whose main lane is `main`; its threads are yet to be started.
    pub(crate) fn new(config: Config, main: Lane, stacks: Arc<StackPool>) -> Arc<Shared> {
        let shared = Arc::new_cyclic(|this| Shared {
            config,
            main,
            compute: OnceLock::new(),
            compute_start: Mutex::new(()),
            stacks,
            closing: Closing::new(),
            alive: AtomicUsize::new(0),
            threads: Mutex::new(Threads::default()),
            claim: Claim::new(),
            isolation: Isolation::new(),
            still: AtomicBool::new(false),
            this: Weak::clone(this),
        });
        shared.main.set_owner(shared.this.clone());
        shared
    }

    /// What it was built with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The stacks of its greenlets.
    pub(crate) fn stacks(&self) -> &Arc<StackPool> {
        &self.stacks
    }

    /// The main lane.
    #[inline]
    pub(crate) fn main_lane(&self) -> &Lane {
        &self.main
    }

    /// The lane of that kind, if it has been started.
    pub(crate) fn lane(&self, kind: LaneKind) -> Option<&Lane> {
        match kind {
            LaneKind::Main => Some(&self.main),
            LaneKind::Compute => self.compute.get(),
        }
    }

    /// The lanes that have been started.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        std::iter::once(&self.main).chain(self.compute.get())
    }

    /// The compute lane; `start` makes it and starts its threads the first time.
    ///
    /// # Errors
    ///
    /// Those of `start`. The next call tries again.
    pub(crate) fn compute_or_start(
        &self,
        start: impl FnOnce(&dyn Fn(Lane)) -> io::Result<()>,
    ) -> io::Result<&Lane> {
        if self.compute.get().is_none() {
            let _starting = self.compute_start.lock();
            if self.closing.is_raised() && self.compute.get().is_none() {
                return Ok(&self.main);
            }
            if self.compute.get().is_none() {
                start(&|lane| {
                    lane.set_owner(self.this.clone());
                    let _ = self.compute.set(lane);
                })?;
            }
        }
        Ok(self.compute.get().expect("`start` has made it"))
    }

    /// A share of its own for one thread.
    pub(crate) fn arc(&self) -> Option<Arc<Shared>> {
        self.this.upgrade()
    }

    /// Whether the runtime is being shut down: nothing is spawned any more, and everything started is killed.
    #[inline]
    pub(crate) fn closing(&self) -> &Closing {
        &self.closing
    }

    /// Begins the shutdown. The hubs notice, kill what they own, and end.
    pub(crate) fn close(&self) {
        self.closing.raise();
        // A compute lane that is being made sees the flag once it is there.
        drop(self.compute_start.lock());
        for lane in self.lanes() {
            lane.notify_all();
        }
    }

    /// Who is told what the hubs do, if anyone.
    #[inline]
    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.config.observer.as_ref()
    }

    /// A watcher: the greenlet of the slice with this number, if the hub of `remote` is in it still. Only for a runtime that is
    /// observed.
    pub(crate) fn running_on(&self, remote: &Remote, number: u64) -> Option<Greenlet> {
        debug_assert!(self.observer().is_some(), "its hubs do not look at claims");
        self.claim
            .with(&remote.heartbeat().running, number, |header| {
                // SAFETY: while it is claimed it does not end, so its header is alive.
                unsafe { Greenlet::from_ref(header) }
            })
    }

    /// A hub, about to clear up after a greenlet that has ended: nobody is about to refer to it when this returns.
    #[inline]
    pub(crate) fn wait_for_watchers(&self, header: NonNull<Header>) {
        if self.observer().is_some() {
            self.claim.wait(header);
        }
    }

    /// Somebody is about to report that everything waits: `true` the first time.
    pub(crate) fn first_report_of_stillness(&self) -> bool {
        !self.still.swap(true, Ordering::Relaxed)
    }

    /// The places whose greenlets go to the compute lane.
    #[inline]
    pub(crate) fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// Counts one greenlet more, if the limit allows.
    ///
    /// # Errors
    ///
    /// If as many as allowed are alive.
    #[inline]
    pub(crate) fn admit(&self) -> io::Result<()> {
        match self.config.max_greenlets {
            None => Ok(()),
            Some(limit) => self.admit_under(limit),
        }
    }

    /// Counts one that the runtime itself needs, limit or not.
    pub(crate) fn admit_uncounted(&self) {
        if self.config.max_greenlets.is_some() {
            self.alive.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn admit_under(&self, limit: usize) -> io::Result<()> {
        // Relaxed: the number orders nothing.
        if self.alive.fetch_add(1, Ordering::Relaxed) < limit {
            return Ok(());
        }
        self.alive.fetch_sub(1, Ordering::Relaxed);
        Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!(
                "too many greenlets: {limit} are alive, the limit set by Builder::max_greenlets"
            ),
        ))
    }

    /// A greenlet that was admitted has gone.
    #[inline]
    pub(crate) fn dismiss(&self) {
        if self.config.max_greenlets.is_some() {
            self.alive.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Hub threads have been started.
    pub(crate) fn add_threads(&self, handles: Vec<JoinHandle<()>>) {
        let mut threads = self.threads.lock();
        threads.running += handles.len();
        threads.handles.extend(handles);
    }

    /// A thread that is no hub's, but is to be joined with theirs.
    pub(crate) fn add_companion(&self, handle: JoinHandle<()>) {
        self.threads.lock().handles.push(handle);
    }

    /// A hub thread ends.
    pub(crate) fn thread_ends(&self) {
        let mut threads = self.threads.lock();
        threads.running -= 1;
        let last = threads.running == 0;
        let waiter = if last { threads.waiter.take() } else { None };
        drop(threads);
        if let (true, Some(observer)) = (last, self.observer()) {
            // Before the waiter is woken: it joins the observer's threads, too.
            observer.hubs_have_ended();
        }
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    /// No hub thread runs. If some do, `waiter` will be unparked when the last has ended.
    pub(crate) fn all_threads_ended(&self, waiter: Unparker) -> bool {
        let mut threads = self.threads.lock();
        if threads.running == 0 {
            return true;
        }
        threads.waiter = Some(waiter);
        false
    }

    /// The threads, to be joined by the caller.
    pub(crate) fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.threads.lock().handles)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
