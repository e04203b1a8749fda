//! No more files in flight than there are places for.
//!
//! Greenlets are cheap; what they hold is not, be it memory or one of the 1,024 file descriptors that many systems give a
//! process. A greenlet that finds no place free parks, and the next one that leaves hands its place over. (A semaphore,
//! built from `park` and `unpark` alone.)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenhub::Greenlet;

/// What the process needs beside its connections: the terminal, the hubs' pollers, files to save to.
const RESERVE: usize = 128;

pub(crate) struct Places {
    // An ordinary mutex will do, since no greenlet parks while it holds it.
    state: Mutex<State>,
}

struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    greenlet: Greenlet,
    granted: Arc<AtomicBool>,
}

/// A place that is taken, until it is dropped.
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    pub(crate) fn new(places: usize) -> Places {
        let (free, waiting) = (places, VecDeque::new());
        Places {
            state: Mutex::new(State { free, waiting }),
        }
    }

    /// Parks until a place is free.
    pub(crate) fn take(&self) -> Place<'_> {
        let granted = Arc::new(AtomicBool::new(false));
        {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Place(self);
            }
            state.waiting.push_back(Waiting {
                greenlet: greenhub::current(),
                granted: granted.clone(),
            });
        }
        // Like a thread's, a park may end for no reason; only `granted` counts.
        while !granted.load(Ordering::Acquire) {
            greenhub::park();
        }
        Place(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        match state.waiting.pop_front() {
            None => state.free += 1,
            Some(next) => {
                next.granted.store(true, Ordering::Release);
                next.greenlet.unpark();
            }
        }
    }
}

/// How many connections may be open at once, after asking the system for as many files as it will give.
pub(crate) fn open_files_limit() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the struct that they are given.
    let files = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1024 - RESERVE;
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 {
            limit.rlim_max
        } else {
            before
        }
    };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(RESERVE).max(1)
}
