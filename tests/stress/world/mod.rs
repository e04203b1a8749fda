//! What all actors of a round share: one of everything, and beside each the means to tell that it keeps its promises.
//!
//! | file | what |
//! | --- | --- |
//! | `faults`, `token`, `inside`, `waiters` | what the checks are made of |
//! | `locks`, `bag`, `meeting` | mutexes, semaphores and what is made once; a condition; barriers |
//! | `line`, `pipe` | channels, and what bytes go through |

mod bag;
mod faults;
mod inside;
mod line;
mod locks;
mod meeting;
mod pipe;
mod token;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use greenhub::pool::Pool;
use greenhub::runtime::Handle;
use greenhub::sync::{Event, Mutex, RwLock};

pub(crate) use bag::{Bag, OpenBag};
pub(crate) use faults::Faults;
pub(crate) use inside::Twins;
pub(crate) use line::{Line, Message};
pub(crate) use locks::{Guarded, IDENTITY, Nested, Permits, Singular};
pub(crate) use meeting::Meeting;
pub(crate) use pipe::Pipe;
pub(crate) use token::{Ledger, Token};
pub(crate) use waiters::Waiters;

use crate::campaign::Progress;
use crate::crowd::Crowd;
use crate::operations::Mix;

/// In what order things may be held: whoever holds one waits without end for later ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u8);

impl Rank {
    pub(crate) const NOTHING: Rank = Rank(0);
    pub(crate) const SINGULAR: Rank = Rank(1);
    pub(crate) const MUTEXES: [Rank; 2] = [Rank(2), Rank(3)];
    pub(crate) const RWLOCKS: [Rank; 2] = [Rank(4), Rank(5)];
    pub(crate) const NESTED: Rank = Rank(6);
    pub(crate) const BAG: Rank = Rank(7);
    pub(crate) const PERMITS: [Rank; 2] = [Rank(8), Rank(9)];
    pub(crate) const POOL: Rank = Rank(10);
    pub(crate) const READ: Rank = Rank(11);
    pub(crate) const WRITE: Rank = Rank(12);
    pub(crate) const IDENTITY: Rank = Rank(13);
}

/// See the module.
pub(crate) struct World {
    pub(crate) faults: Arc<Faults>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) crowd: Crowd,
    pub(crate) mix: Mix,
    pub(crate) progress: Arc<Progress>,
    /// The runtimes of the round.
    pub(crate) homes: Vec<Handle>,
    /// Nobody begins anything more.
    settling: AtomicBool,
    /// A runtime has begun to end: its greenlets are killed.
    closing: AtomicBool,

    pub(crate) singulars: [Singular; 4],
    pub(crate) mutexes: [Guarded<Mutex<Twins>>; 2],
    pub(crate) rwlocks: [Guarded<RwLock<Twins>>; 2],
    pub(crate) nested: Nested,
    pub(crate) bag: Bag,
    pub(crate) permits: [Permits; 2],
    pub(crate) meetings: [Meeting; 2],
    pub(crate) event: Event,
    pub(crate) event_waiters: Waiters,
    pub(crate) lines: Vec<Line>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) pool: Pool,
}

impl World {
    pub(crate) fn new(homes: Vec<Handle>, mix: Mix, progress: Arc<Progress>) -> World {
        let faults = Arc::new(Faults::default());
        World {
            ledger: Ledger::new(&faults),
            crowd: Crowd::default(),
            mix,
            progress,
            homes,
            settling: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            singulars: Default::default(),
            mutexes: ["a mutex", "another mutex"].map(Guarded::new),
            rwlocks: ["a read-write lock", "another read-write lock"].map(Guarded::new),
            nested: Nested::new(),
            bag: Bag::new(),
            permits: [Permits::new(1), Permits::new(3)],
            meetings: [Meeting::new(2), Meeting::new(3)],
            event: Event::new(),
            event_waiters: Waiters::default(),
            lines: Line::all(),
            pipes: Pipe::all(),
            pool: Pool::new(2),
            faults,
        }
    }

    /// Nobody begins anything more: what goes on comes to its end.
    pub(crate) fn settle(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed) || self.ledger.is_nearly_full()
    }

    /// A runtime is about to end.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// At the end, when nobody is left: everything is as it was, and can be used.
    pub(crate) fn check(self) {
        let faults = Arc::clone(&self.faults);
        self.mutexes.iter().for_each(|mutex| mutex.check(&faults));
        self.rwlocks.iter().for_each(|lock| lock.check(&faults));
        self.nested.check(&faults);
        self.bag.check(&faults);
        self.permits
            .iter()
            .for_each(|permits| permits.check(&faults));
        self.meetings
            .iter()
            .for_each(|meeting| meeting.check(&faults));
        self.lines.iter().for_each(|line| line.check(&faults));
        self.pipes.iter().for_each(|pipe| pipe.check(&faults));
        if self.pool.free_count() != self.pool.size() {
            faults.tell(format!("{:?} has greenlets at the end", self.pool));
        }
    }
}
