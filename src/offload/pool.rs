//! The threads that offloaded calls run on.
//!
//! One lock guards the queue and two numbers, and this holds whenever it is free: **each queued job has an idle thread
//! that was notified, or all the threads that may be are there**, and each of those looks at the queue when it ends a job. So no job
//! waits while a thread could run it. In particular there is no job in the queue when there is no thread.
//!
//! A thread starts when a job finds no idle one, and ends when it has had nothing to do for a while. Threads are never joined: those
//! that are there at the process's end go with it, in the middle of what they do.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::context;
use crate::primitive::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Must not unwind.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads for jobs, as many as are needed and not more than so many.
#[derive(Debug)]
pub(super) struct Pool {
    /// How many threads there may be.
    limit: usize,
    /// How long a thread waits for another job.
    patience: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Idle threads wait here.
    comes: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    threads: usize,
    /// How many of them are waiting, or have been notified and not woken yet.
    idle: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("queued", &self.queue.len())
            .field("threads", &self.threads)
            .field("idle", &self.idle)
            .finish()
    }
}

/// What became of a job.
#[must_use = "a job that was refused has not run"]
pub(super) enum Submitted {
    /// It will run.
    Taken,
    /// All threads are busy, and there can be no more.
    Full(Job),
}

impl Pool {
    /// No thread yet.
    pub(super) fn new(limit: usize, patience: Duration) -> Pool {
        Pool {
            limit,
            patience,
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    queue: VecDeque::new(),
                    threads: 0,
                    idle: 0,
                }),
                comes: Condvar::new(),
            }),
        }
    }

    /// Hands a job to a thread. If all are busy and there can be no more, the job is queued, or comes back if it is not to be.
    ///
    /// # Errors
    ///
    /// If there is no thread, and none can be started. The job is dropped.
    pub(super) fn submit(&self, job: Job, may_queue: bool) -> io::Result<Submitted> {
        let mut state = self.shared.state.lock();
        if state.queue.len() < state.idle {
            state.queue.push_back(job);
            drop(state);
            self.shared.comes.notify_one();
            return Ok(Submitted::Taken);
        }
        let started = if state.threads < self.limit {
            self.start_thread()
        } else {
            Err(io::ErrorKind::QuotaExceeded.into())
        };
        match started {
            Ok(()) => {
                state.threads += 1;
                state.idle += 1;
            }
            Err(error) if state.threads == 0 => return Err(error),
            Err(_) if may_queue => {}
            Err(_) => return Ok(Submitted::Full(job)),
        }
        state.queue.push_back(job);
        Ok(Submitted::Taken)
    }

    /// Under the lock: the new thread takes it first of all.
    fn start_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let patience = self.patience;
        std::thread::Builder::new()
            .name("greenhub-job".to_owned())
            .spawn(move || {
                context::set_runs_jobs();
                shared.work(patience);
            })
            .map(drop)
    }
}

impl Shared {
    /// A thread, which counts as idle already: runs jobs until none comes for a while.
    fn work(&self, patience: Duration) {
        let mut state = self.state.lock();
        loop {
            let job;
            (state, job) = self.next_job(state, Instant::now() + patience);
            state.idle -= 1;
            let Some(job) = job else {
                state.threads -= 1;
                return;
            };
            drop(state);
            job();
            state = self.state.lock();
            state.idle += 1;
        }
    }

    /// Waits for a job; the lock is held when this returns. `None`: there is none, and the time is up.
    fn next_job<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        until: Instant,
    ) -> (MutexGuard<'a, State>, Option<Job>) {
        loop {
            let job = state.queue.pop_front();
            let left = until.saturating_duration_since(Instant::now());
            if job.is_some() || left.is_zero() {
                return (state, job);
            }
            state = self.comes.wait_timeout(state, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn submit(pool: &Pool, job: impl FnOnce() + Send + 'static) {
        assert!(matches!(
            pool.submit(Box::new(job), true),
            Ok(Submitted::Taken)
        ));
    }

    fn numbers(pool: &Pool) -> (usize, usize, usize) {
        let state = pool.shared.state.lock();
        (state.threads, state.idle, state.queue.len())
    }

    fn settles(pool: &Pool, to: (usize, usize, usize)) {
        let until = Instant::now() + LONG;
        while numbers(pool) != to {
            assert!(Instant::now() < until, "{pool:?} does not come to {to:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn there_are_never_more_threads_than_allowed_and_every_job_runs() {
        let pool = Pool::new(3, LONG);
        let running = Arc::new(Mutex::new((0, 0)));
        let (done, is_done) = mpsc::channel();
        for n in 0..200 {
            let (running, done) = (Arc::clone(&running), done.clone());
            submit(&pool, move || {
                let mut count = running.lock();
                count.0 += 1;
                count.1 = count.0.max(count.1);
                drop(count);
                std::thread::yield_now();
                running.lock().0 -= 1;
                done.send(n).unwrap();
            });
        }
        let mut ran: Vec<_> = is_done.iter().take(200).collect();
        ran.sort_unstable();
        assert!(ran.into_iter().eq(0..200));
        assert!(running.lock().1 <= 3);
        settles(&pool, (3, 3, 0));
    }

    #[test]
    fn a_job_does_not_wait_behind_one_that_blocks_while_there_may_be_more_threads() {
        let pool = Pool::new(3, LONG);
        let (done, is_done) = mpsc::channel();
        let (open, opens) = mpsc::channel::<()>();
        let blocked = done.clone();
        submit(&pool, move || {
            opens.recv().unwrap();
            blocked.send(0).unwrap();
        });
        for n in 1..100 {
            let done = done.clone();
            submit(&pool, move || done.send(n).unwrap());
        }
        let mut ran: Vec<_> = is_done.iter().take(99).collect();
        ran.sort_unstable();
        assert!(ran.into_iter().eq(1..100));
        open.send(()).unwrap();
        assert_eq!(is_done.recv(), Ok(0));
    }

    /// Seen to fail with `blocking` 1.7.0 in the place of this pool.
    #[test]
    fn threads_that_have_nothing_to_do_end() {
        let pool = Pool::new(8, Duration::from_millis(5));
        for _ in 0..8 {
            submit(&pool, || ());
        }
        settles(&pool, (0, 0, 0));
        let (done, is_done) = mpsc::channel();
        submit(&pool, move || done.send(5).unwrap());
        assert_eq!(is_done.recv(), Ok(5));
        settles(&pool, (0, 0, 0));
    }

    /// A thread's end against a job that counts on it.
    #[test]
    fn no_job_is_left_behind_by_a_thread_that_ends() {
        let pool = Pool::new(2, Duration::from_micros(50));
        for n in 0..2_000 {
            let (done, is_done) = mpsc::channel();
            submit(&pool, move || done.send(n).unwrap());
            assert_eq!(is_done.recv_timeout(LONG), Ok(n));
            if n % 3 == 0 {
                std::thread::sleep(Duration::from_micros(n % 100));
            }
        }
    }

    #[test]
    fn a_full_pool_gives_back_what_is_not_to_be_queued() {
        let pool = Pool::new(1, LONG);
        let (open, opens) = mpsc::channel::<()>();
        submit(&pool, move || opens.recv().unwrap());
        let (done, is_done) = mpsc::channel();
        let job = Box::new(move || done.send(1).unwrap());
        let Ok(Submitted::Full(job)) = pool.submit(job, false) else {
            panic!("{pool:?} is not full");
        };
        job();
        assert_eq!(is_done.recv(), Ok(1));
        open.send(()).unwrap();
        settles(&pool, (1, 1, 0));
    }
}
