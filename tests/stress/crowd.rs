//! Everybody of a round: to be killed, woken, counted, and shown when the round hangs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use greenhub::Greenlet;

use crate::support::Random;

/// All actors of a round.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    records: Mutex<Vec<Arc<Record>>>,
    alive: AtomicUsize,
}

/// One actor, as the others see it.
#[derive(Debug)]
pub(crate) struct Record {
    /// No other actor of this process has it. Never zero.
    pub(crate) number: u32,
    /// What sort of actor it is.
    pub(crate) kind: &'static str,
    who: OnceLock<Who>,
    has_ended: AtomicBool,
    /// How often it was killed, counted before it is.
    kills: AtomicU32,
    /// It waits until somebody takes this back and unparks it.
    parked: AtomicBool,
    /// The number of the operation that it is in, from one.
    doing: AtomicUsize,
    /// How many messages it has sent.
    sent: AtomicU64,
    /// The last message from each sender on each line.
    seen: Mutex<BTreeMap<(usize, u32), u64>>,
}

#[derive(Debug)]
pub(crate) enum Who {
    Greenlet(Greenlet),
    Thread(Thread),
}

impl Crowd {
    /// How many actors have been made and are not gone, closure and all.
    pub(crate) fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// One more, whom nobody can reach yet.
    pub(crate) fn join(&self, kind: &'static str) -> Arc<Record> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        self.alive.fetch_add(1, Ordering::Relaxed);
        Arc::new(Record {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            kind,
            who: OnceLock::new(),
            has_ended: AtomicBool::new(false),
            kills: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            doing: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            seen: Mutex::default(),
        })
    }

    /// From now on it can be killed and woken.
    pub(crate) fn introduce(&self, record: &Arc<Record>, who: Who) {
        if record.who.set(who).is_ok() {
            let mut records = lock(&self.records);
            if records.len() % 64 == 63 {
                records.retain(|record| !record.has_ended());
            }
            records.push(Arc::clone(record));
        }
    }

    /// It is gone.
    pub(crate) fn leave(&self, record: &Record) {
        record.has_ended.store(true, Ordering::Relaxed);
        self.alive.fetch_sub(1, Ordering::Release);
    }

    /// Any of those who can be reached.
    pub(crate) fn anyone(&self, random: &mut Random) -> Option<Arc<Record>> {
        let records = lock(&self.records);
        let at = random.below(records.len().max(1) as u64);
        records.get(at as usize).cloned()
    }

    /// All who can be reached and have not ended.
    pub(crate) fn everyone(&self) -> Vec<Arc<Record>> {
        let records = lock(&self.records);
        let alive = records.iter().filter(|record| !record.has_ended());
        alive.cloned().collect()
    }
}

impl Record {
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Kills it, if that can be.
    pub(crate) fn kill(&self) {
        if let Some(Who::Greenlet(greenlet)) = self.who.get() {
            self.expect_kill();
            greenlet.kill();
        }
    }

    /// Somebody is about to kill it.
    pub(crate) fn expect_kill(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    /// Somebody has killed it, or is about to.
    pub(crate) fn was_killed(&self) -> bool {
        self.kills.load(Ordering::SeqCst) > 0
    }

    /// Lets it look whether what it waits for is there. A wait must not take this for more.
    pub(crate) fn nudge(&self) {
        match self.who.get() {
            Some(Who::Greenlet(greenlet)) => greenlet.unpark(),
            Some(Who::Thread(thread)) => thread.unpark(),
            None => {}
        }
    }

    /// Parks until [`Record::wake`]. The caller is this actor.
    pub(crate) fn park(&self, park: impl Fn()) {
        self.parked.store(true, Ordering::SeqCst);
        while self.parked.load(Ordering::SeqCst) {
            park();
        }
    }

    /// Wakes it, once, if it is parked.
    pub(crate) fn wake(&self) {
        if self.parked.swap(false, Ordering::SeqCst) {
            self.nudge();
        }
    }

    /// It begins the operation of this number, zero for none; returns what it was at before.
    pub(crate) fn turn_to(&self, operation: usize) -> usize {
        self.doing.swap(operation, Ordering::Relaxed)
    }

    /// The number of the operation that it is in, zero for none.
    pub(crate) fn doing(&self) -> usize {
        self.doing.load(Ordering::Relaxed)
    }

    /// The number of its next message.
    pub(crate) fn next_message(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// It has received this message: `false` if it has had a later one of that sender before.
    pub(crate) fn sees(&self, line: usize, sender: u32, message: u64) -> bool {
        let before = lock(&self.seen).insert((line, sender), message);
        before.is_none_or(|before| before < message)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {} ({}), ", self.number, self.kind)?;
        match self.who.get() {
            Some(Who::Greenlet(greenlet)) => write!(f, "{greenlet:?}"),
            Some(Who::Thread(thread)) => write!(f, "{:?}", thread.id()),
            None => write!(f, "unknown"),
        }?;
        write!(
            f,
            ", killed {} times, parked: {}",
            self.kills.load(Ordering::Relaxed),
            self.parked.load(Ordering::Relaxed)
        )
    }
}

/// The locks here are held for a few steps, in which nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
