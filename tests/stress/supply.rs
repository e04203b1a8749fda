//! Brings what those wait for who wait without end, and never more: a message for each receiver that will not find one, one
//! wake-up for each who is parked. So a wait goes on for ever if what it waits for was there and it was not told, or what it
//! was told has got lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::world::{Meeting, World};

/// How long to wait for one who is said to be about to take something.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// Brings what is missing now.
pub(crate) fn supply(world: &World) {
    let (ledger, faults) = (&world.ledger, &world.faults);
    world
        .lines
        .iter()
        .for_each(|line| line.supply(ledger, faults));
    world.pipes.iter().for_each(|pipe| pipe.supply(faults));
    world.bag.supply(ledger, faults);
    if world.event_waiters.count() > 0 {
        world.event.set();
    }
    for actor in world.crowd.everyone() {
        actor.wake();
    }
    world.meetings.iter().for_each(attend);
}

/// Comes to a meeting at which others wait, and goes away if too few come.
fn attend(meeting: &Meeting) {
    if meeting.waiters.count() > 0 {
        let _ = greenhub::timeout(PATIENCE, || meeting.wait());
    }
}

/// One more who comes to meetings: of three two may be missing.
pub(crate) struct Assistant {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Assistant {
    pub(crate) fn hire(world: &Arc<World>) -> Assistant {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (stop, world) = (Arc::clone(&stop), Arc::clone(world));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    world.meetings.iter().for_each(attend);
                    thread::sleep(PATIENCE / 4);
                }
            }
        });
        Assistant { stop, thread }
    }

    pub(crate) fn dismiss(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only waits");
    }
}
