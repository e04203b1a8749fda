//! Starting lanes and their threads.

use std::io;
use std::ptr;
use std::sync::mpsc;
use std::thread;

use super::hub::Hub;
use super::lane::{Lane, LaneKind};
use super::queue::Queue;
use super::shared::{Config, Shared};
use super::worker;
use crate::context;
use crate::fiber::StackPool;
use crate::fiber::overflow::{self, AltStack};
use crate::primitive::NoUnwind;
use crate::primitive::sync::Arc;

/// Starts a runtime's main lane. The compute lane is started when it is first used.
///
/// # Errors
///
/// If the operating system refuses a poller, a stack or a thread. What was started is ended again.
pub(crate) fn start(config: Config, stacks: StackPool) -> io::Result<Arc<Shared>> {
    overflow::install(context::running);
    let observed = config.observer.is_some();
    let stacks = Arc::new(stacks);
    let (lane, queues) = Lane::new(LaneKind::Main, config.hubs, observed, &stacks)?;
    let threads = prepare_threads(&config, LaneKind::Main)?;
    let shared = Shared::new(config, lane, stacks);
    release_threads(&shared, threads, queues);
    Ok(shared)
}

/// The compute lane, started if it was not; of a runtime that is being shut down the main one, as nothing will run.
///
/// # Errors
///
/// As for [`start`]; the next call tries again.
pub(crate) fn compute_lane(shared: &Shared) -> io::Result<&Lane> {
    shared.compute_or_start(|install| {
        let (lane, queues) = Lane::new(
            LaneKind::Compute,
            shared.config().compute_hubs,
            false,
            shared.stacks(),
        )?;
        let threads = prepare_threads(shared.config(), LaneKind::Compute)?;
        install(lane);
        release_threads(&shared.arc().expect("the caller holds it"), threads, queues);
        Ok(())
    })
}

/// A thread that waits to be told what it is the hub of. It ends when it is dropped instead.
struct Prepared {
    thread: thread::JoinHandle<()>,
    release: mpsc::Sender<(Arc<Shared>, Queue)>,
}

/// Starts the threads of a lane, all or none.
fn prepare_threads(config: &Config, kind: LaneKind) -> io::Result<Vec<Prepared>> {
    let (prefix, hubs) = match kind {
        LaneKind::Main => (config.thread_name.clone(), config.hubs),
        LaneKind::Compute => (
            format!("{}-compute", config.thread_name),
            config.compute_hubs,
        ),
    };
    let mut threads = Vec::with_capacity(hubs);
    for index in 0..hubs {
        let (release, released) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("{prefix}-{index}"))
            .spawn(move || {
                if let Ok((shared, queue)) = released.recv() {
                    run_thread(shared, kind, index, queue);
                }
            });
        match thread {
            Ok(thread) => threads.push(Prepared { thread, release }),
            Err(error) => {
                for Prepared { thread, release } in threads {
                    drop(release);
                    // It has run nothing that could panic.
                    let _ = thread.join();
                }
                let kind = error.kind();
                let number = index + 1;
                let message = format!(
                    "could not start hub thread {number} of {hubs} ({prefix}-{index}): {error}"
                );
                return Err(io::Error::new(kind, message));
            }
        }
    }
    Ok(threads)
}

fn release_threads(shared: &Arc<Shared>, threads: Vec<Prepared>, queues: Vec<Queue>) {
    // All are counted before the first runs, so that the last to end is the last.
    let (handles, releases): (Vec<_>, Vec<_>) = threads
        .into_iter()
        .map(|Prepared { thread, release }| (thread, release))
        .unzip();
    shared.add_threads(handles);
    for (release, queue) in releases.into_iter().zip(queues) {
        // It waits for nothing else.
        let _ = release.send((Arc::clone(shared), queue));
    }
}

/// A hub thread, from beginning to end.
fn run_thread(shared: Arc<Shared>, kind: LaneKind, index: usize, queue: Queue) {
    // A panic that gets here is a bug of this crate, and the greenlets of this hub could never be unwound.
    let no_unwind = NoUnwind::begin();
    {
        // Without an alternate stack an overflow still ends the process, only less politely.
        let _alt_stack = AltStack::install();
        let hub = Hub::new(Arc::clone(&shared), kind, index, queue);
        // SAFETY: the hub stays where it is until the context is taken away again, below.
        unsafe { context::set_current(ptr::from_ref(&hub).cast()) };
        hub.core(|core| hub.remote().show_owned(&core.owned));
        if let Some(observer) = shared.observer() {
            observer.hub_begins(kind, index);
        }
        worker::run(&hub);
        if let Some(observer) = shared.observer() {
            observer.hub_ends(kind, index);
        }
        // SAFETY: as above.
        unsafe { context::set_current(ptr::null()) };
    }
    no_unwind.end();
    shared.thread_ends();
}
