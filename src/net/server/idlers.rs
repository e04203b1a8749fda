//! Connections that are between two requests, and that a stop may end at once.
//!
//! Whoever idles is entered here with its greenlet, and a stop *nudges* it: marks the entry, and kills the greenlet. The wait
//! unwinds as far as [`Idlers::idle`], which takes the kill back. So it works for every wait that there is, however deep
//! within other people's code.
//!
//! # Whose kill it is
//!
//! A greenlet knows that it was killed, not by whom. Under the lock of its entry:
//!
//! 1. A nudge marks the entry and kills. No other kill is taken back: without the mark what unwinds goes on unwinding.
//! 2. The idler takes its entry out, and if that is marked, refuses the kill, which may have unwound the wait, or still be due
//!    because the wait had ended by itself.
//! 3. A kill that ends the connection for good ([`Idlers::kill`]) is marked too, if it finds an entry. Then the idler is killed again
//!    after it has refused. If it finds none, the idler has refused before, and this kill stays.
//!
//! A kill by somebody else, who has got hold of the connection's greenlet, may coincide with a nudge and be refused with
//! it. The connection then ends because the server stops.
//!
//! # Nobody idles through a stop
//!
//! The flag is raised before the entries are looked at. An idler looks at the flag under the lock under which it enters itself. So
//! either the nudger finds it, or it finds the flag.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam_utils::CachePadded;

use crate::context;
use crate::greenlet::{Greenlet, GreenletId, is_kill};
use crate::primitive::sync::Mutex;
use crate::wait;

/// So many locks, that the hubs rarely meet at one.
const SHARDS: usize = 16;

/// Who idles at present.
#[derive(Debug, Default)]
pub(super) struct Idlers {
    shards: [CachePadded<Mutex<Shard>>; SHARDS],
}

type Shard = HashMap<GreenletId, Idler>;

#[derive(Debug)]
struct Idler {
    greenlet: Greenlet,
    /// It was killed to wake it.
    nudged: bool,
    /// It was killed to end it.
    killed: bool,
}

impl Idlers {
    fn shard(&self, greenlet: &Greenlet) -> &Mutex<Shard> {
        &self.shards[greenlet.id().as_u64().get() as usize % SHARDS]
    }

    /// Runs `f`, whose waits a nudge ends; `None` if one has, or if `is_stopping` already.
    pub(super) fn idle<R>(
        &self,
        is_stopping: impl Fn() -> bool,
        f: impl FnOnce() -> R,
    ) -> Option<R> {
        let Some(greenlet) = context::greenlet_handle() else {
            // An OS thread: nobody can end its waits.
            return (!is_stopping()).then(f);
        };
        let shard = self.shard(&greenlet);
        {
            let mut idlers = shard.lock();
            if is_stopping() {
                return None;
            }
            if idlers.contains_key(&greenlet.id()) {
                // Within another: that one takes the kill back.
                drop(idlers);
                return Some(f());
            }
            let idler = Idler {
                greenlet: greenlet.clone(),
                nudged: false,
                killed: false,
            };
            idlers.insert(greenlet.id(), idler);
        }
        let result = catch_unwind(AssertUnwindSafe(f));
        let mut idlers = shard.lock();
        let entry = idlers.remove(&greenlet.id());
        let (nudged, killed) = entry.map_or((false, false), |idler| (idler.nudged, idler.killed));
        if nudged {
            greenlet.header().refuse_kill();
        }
        drop(idlers);
        if nudged && killed {
            greenlet.kill();
            wait::deliver_due();
        }
        match result {
            Ok(value) => Some(value),
            Err(payload) if nudged && is_kill(&*payload) => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Ends the waits of all who idle. The flag has been raised.
    pub(super) fn nudge_all(&self) {
        for shard in &self.shards {
            for idler in shard.lock().values_mut() {
                idler.nudged = true;
                idler.greenlet.kill();
            }
        }
    }

    /// Kills a greenlet for good, whether it idles or not.
    pub(super) fn kill(&self, greenlet: &Greenlet) {
        if let Some(idler) = self.shard(greenlet).lock().get_mut(&greenlet.id()) {
            idler.killed = true;
        }
        // Outside the lock: of a connection that has not begun this drops the stream, which may be of the user's making.
        greenlet.kill();
    }
}
