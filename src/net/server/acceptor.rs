//! The loop that accepts: a greenlet of its own, which a stop kills.

use std::io;
use std::panic::Location;
use std::time::Duration;

use super::listener::{Listener, Trouble};
use super::roll::Member;
use super::shared::Shared;
use crate::greenlet::Joined;
use crate::primitive::sync::Arc;
use crate::runtime::current_or_global;
use crate::scheduler;

/// How long it waits when there are no descriptors, at first and at the longest; each wait is twice as long as the one
/// before. The end of a connection of this server, which frees one, ends it sooner.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(640));

/// What it needs.
pub(super) struct Acceptor<L, H> {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: L,
    pub(super) handler: Arc<H>,
    /// How many connections may be open at once.
    pub(super) bound: usize,
    /// Who has called `serve`: what a connection's greenlet says of where it was spawned.
    pub(super) place: &'static Location<'static>,
    // Dropped last: by then the listener is closed.
    pub(super) _closing: Closing,
}

/// Says that the acceptor has ended, however that came about.
pub(super) struct Closing(pub(super) Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed.set();
    }
}

/// What a connection's greenlet runs.
struct Job<L: Listener, H> {
    stream: L::Stream,
    address: L::Address,
    handler: Arc<H>,
    // Dropped last: until then the connection is on the roll.
    member: Member,
}

impl<L: Listener, H> Job<L, H>
where
    H: Fn(L::Stream, L::Address),
{
    fn run(self) {
        // The last named is dropped first: the connection leaves the roll when its stream is closed, and the handler's share
        // is gone.
        let Job {
            member: _member,
            handler,
            stream,
            address,
        } = self;
        handler(stream, address);
    }
}

impl<L, H> Acceptor<L, H>
where
    L: Listener,
    H: Fn(L::Stream, L::Address) + Send + Sync + 'static,
{
    /// Accepts until a stop, which kills it in one of its waits, or until the listener breaks.
    pub(super) fn run(self) -> io::Result<()> {
        let mut patience = BACK_OFF.0;
        loop {
            self.shared.roll.wait_below(self.bound);
            // The stop that makes room must not let another in.
            if self.shared.is_stopping() {
                return Ok(());
            }
            match self.listener.accept() {
                Ok((stream, address)) => match self.spawn(stream, address) {
                    Ok(()) => patience = BACK_OFF.0,
                    // No stack, or too many greenlets: to accept on would be to turn away whoever comes.
                    Err(_) => {
                        self.shared.rejected.add();
                        self.back_off(&mut patience);
                    }
                },
                Err(error) => match Trouble::of(&error) {
                    Trouble::Lost => {}
                    Trouble::Starved => {
                        self.shared.starved.add();
                        self.back_off(&mut patience);
                    }
                    Trouble::Broken => return Err(error),
                },
            }
        }
    }

    fn back_off(&self, patience: &mut Duration) {
        self.shared.roll.wait_for_leaver(*patience);
        *patience = (*patience * 2).min(BACK_OFF.1);
    }

    /// Gives the connection its greenlet, on the hub that has the fewest.
    fn spawn(&self, stream: L::Stream, address: L::Address) -> io::Result<()> {
        let member = self.shared.roll.enter();
        let (number, hub) = (member.number(), member.hub());
        let job: Job<L, H> = Job {
            stream,
            address,
            handler: Arc::clone(&self.handler),
            member,
        };
        let spawned: io::Result<Joined<()>> = current_or_global(|runtime| {
            // SAFETY: the bounds of `Listener` and of the handler make the job `Send` and `'static`.
            unsafe { scheduler::spawn_on(runtime, hub, self.place, move || job.run()) }
        });
        let joined = spawned?;
        self.shared.roll.set_greenlet(number, joined.greenlet());
        Ok(())
    }
}
