//! A socket that greenlets can wait for.
//!
//! Every call tries first, and waits only when it would block. The first wait registers the socket with the poller of the
//! hub that it happens on; from then on the registration's readiness words say when a try is in vain, so that
//! in the steady state a request costs one read, one write, and its share of the hub's waits for events:
//!
//! ```text
//!   loop {
//!       look at the word                 unregistered: "nothing is known"
//!       if it may be ready, try          done: return it (and note a short transfer: the next try would be in vain)
//!       clear the word                   unless an event has come since we looked: then try again
//!       deliver a kill; give up when the deadline has passed
//!       enrol and park                   unless an event has come: then try again
//!   }
//! ```
//!
//! Where nothing can park (on a plain OS thread, or in a destructor that runs during an unwinding) the wait is a poll(2)
//! on the descriptor itself, which does not depend on any hub's polling.
//!
//! A registration lasts as long as the socket, with one exception: when the hub's runtime has been shut down, events come
//! no more, and whoever waits next registers with their own hub. (The first registration is read without a lock; the
//! rare second one is behind it.)

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::modes::Patience;
use super::sys;
use crate::context;
use crate::driver::{Cleared, Direction, Enrolled, Registration, Seen};
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicU32, Ordering};
use crate::primitive::sync::{Arc, Mutex, OnceLock};
use crate::wait;

/// After this many calls in a row that did not have to wait, a greenlet looks whether others should run.
const STREAK: u32 = 32;

/// What a call waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose {
    direction: Direction,
    kind: WaitKind,
}

impl Purpose {
    /// Bytes.
    pub(super) const READ: Purpose = Purpose {
        direction: Direction::Read,
        kind: WaitKind::Read,
    };
    /// Room for bytes.
    pub(super) const WRITE: Purpose = Purpose {
        direction: Direction::Write,
        kind: WaitKind::Write,
    };
    /// A connection from a peer.
    pub(super) const ACCEPT: Purpose = Purpose {
        direction: Direction::Read,
        kind: WaitKind::Accept,
    };
    /// A connection to a peer.
    pub(super) const CONNECT: Purpose = Purpose {
        direction: Direction::Write,
        kind: WaitKind::Connect,
    };
}

/// A socket with its registration. `T` must stay on the same descriptor for its life, as std's sockets do.
pub(super) struct Source<T> {
    // Dropped before `socket`: a descriptor is deregistered before it is closed.
    registered: Registered,
    /// Calls since the last one that had to wait. A hint: several greenlets may count here at once.
    streak: AtomicU32,
    socket: T,
}

/// The registrations of one socket.
struct Registered {
    first: OnceLock<Registration>,
    /// The one that has replaced the first, whose hub has gone. Also the lock under which registrations are made, so that
    /// nobody makes two.
    later: Mutex<Option<Arc<Registration>>>,
}

/// A registration to wait with.
enum Current<'a> {
    First(&'a Registration),
    Later(Arc<Registration>),
}

impl<T: AsFd> Source<T> {
    /// Not registered yet. The socket must be in non-blocking mode.
    pub(super) fn new(socket: T) -> Source<T> {
        let registered = Registered {
            first: OnceLock::new(),
            later: Mutex::new(None),
        };
        Source {
            registered,
            streak: AtomicU32::new(0),
            socket,
        }
    }

    /// The socket.
    pub(super) fn get(&self) -> &T {
        &self.socket
    }

    /// The socket, deregistered.
    pub(super) fn into_inner(self) -> T {
        drop(self.registered);
        self.socket
    }

    /// Moves up to `len` bytes with `attempt`, waiting as needed.
    #[track_caller]
    pub(super) fn transfer(
        &self,
        purpose: Purpose,
        patience: Patience,
        len: usize,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // An empty transfer says nothing about the socket, nor does the end of a stream.
        self.until_done(purpose, patience, attempt, |moved| (1..len).contains(moved))
    }

    /// Repeats `attempt` until it does not fail with `WouldBlock`, waiting as needed.
    #[track_caller]
    pub(super) fn run<R>(
        &self,
        purpose: Purpose,
        patience: Patience,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.until_done(purpose, patience, attempt, |_| false)
    }

    /// See the module's text. `is_short`: the result shows that another attempt would block.
    #[track_caller]
    fn until_done<R>(
        &self,
        purpose: Purpose,
        patience: Patience,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        let fd = self.socket.as_fd();
        self.give_way();
        let mut deadline = None;
        let mut is_last = patience == Patience::None;
        let mut has_waited = false;
        loop {
            let current = self.registered.current(purpose.direction);
            let seen = current.as_ref().map_or(Seen::BIRTH, |(_, seen)| *seen);
            if seen.is_ready() || is_last || !can_park() {
                match uninterrupted(|| attempt(fd)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_last => {}
                    Ok(done) => {
                        if let Some((current, seen)) = &current {
                            if is_short(&done) {
                                // If an event has come since, the next attempt finds out.
                                let _ = current
                                    .readiness(purpose.direction)
                                    .clear_after_short(*seen);
                            }
                        }
                        return Ok(done);
                    }
                    Err(error) => return Err(error),
                }
            }
            wait::deliver_due();
            if let (Patience::For(timeout), false) = (patience, has_waited) {
                // The clock is read by those who wait only.
                deadline = wait::deadline_after(timeout);
            }
            has_waited = true;
            self.wait(purpose, deadline, seen, current.map(|(current, _)| current))?;
            // One last attempt: a deadline must not win over bytes that are there. It fails with the same `WouldBlock`
            // that the kernel gives for a timeout of its own.
            is_last = wait::has_passed(deadline);
        }
    }

    /// Waits until an attempt may succeed where one that saw `seen` did not, or the deadline; or a shorter while.
    #[track_caller]
    fn wait(
        &self,
        purpose: Purpose,
        deadline: Option<Instant>,
        seen: Seen,
        current: Option<Current<'_>>,
    ) -> io::Result<()> {
        // Relaxed: see the field.
        self.streak.store(0, Ordering::Relaxed);
        let fd = self.socket.as_fd();
        if !can_park() {
            let until = wait::within_limits(deadline);
            return sys::block(fd, purpose.direction, until).map(drop);
        }
        let current = match current {
            Some(current) => current,
            None => self.registered.register(fd)?,
        };
        let readiness = current.readiness(purpose.direction);
        if seen.is_ready() && readiness.clear(seen) == Cleared::No {
            return Ok(());
        }
        match readiness.enrol(wait::current_unparker()) {
            Enrolled::Waiting(waiter) => {
                wait::park(purpose.kind, deadline);
                readiness.withdraw(waiter);
            }
            Enrolled::Ready | Enrolled::Closed => {}
        }
        Ok(())
    }

    /// A greenlet whose peers are fast never waits: it gives way to the others now and then.
    fn give_way(&self) {
        // Relaxed: see the field.
        let streak = self.streak.load(Ordering::Relaxed).wrapping_add(1);
        self.streak.store(streak, Ordering::Relaxed);
        if streak % STREAK == 0 {
            wait::checkpoint();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl Registered {
    /// The registration, unless its hub has gone, and what its word says.
    #[inline]
    fn current(&self, direction: Direction) -> Option<(Current<'_>, Seen)> {
        let first = self.first.get()?;
        let seen = first.readiness(direction).look();
        if seen.is_closed() {
            self.current_later(direction)
        } else {
            Some((Current::First(first), seen))
        }
    }

    #[cold]
    fn current_later(&self, direction: Direction) -> Option<(Current<'_>, Seen)> {
        let later = self.later.lock().clone()?;
        let seen = later.readiness(direction).look();
        if seen.is_closed() {
            None
        } else {
            Some((Current::Later(later), seen))
        }
    }

    /// Registers with the hub that runs here, unless another greenlet has been faster.
    #[cold]
    fn register(&self, fd: BorrowedFd<'_>) -> io::Result<Current<'_>> {
        let mut later = self.later.lock();
        if let Some(first) = self.first.get() {
            if !is_closed(first) {
                return Ok(Current::First(first));
            }
            if let Some(later) = later.as_ref().filter(|later| !is_closed(later)) {
                return Ok(Current::Later(Arc::clone(later)));
            }
        }
        let new = context::with_driver(|driver| {
            // SAFETY: the socket keeps its descriptor until it is dropped, and the registrations in a `Source` are dropped
            // before its socket. A `Current` borrows the source.
            unsafe { Registration::new(driver, fd) }
        })
        .expect("a greenlet runs on a hub")?;
        if self.first.get().is_none() {
            return Ok(Current::First(self.first.get_or_init(|| new)));
        }
        let new = Arc::new(new);
        *later = Some(Arc::clone(&new));
        Ok(Current::Later(new))
    }
}

/// The registration's hub has gone.
fn is_closed(registration: &Registration) -> bool {
    registration.readiness(Direction::Read).look().is_closed()
}

impl Deref for Current<'_> {
    type Target = Registration;

    fn deref(&self) -> &Registration {
        match self {
            Current::First(first) => first,
            Current::Later(later) => later,
        }
    }
}

/// The caller may park. Otherwise readiness words are of no use to it: the hub that would change them may be this very
/// thread.
fn can_park() -> bool {
    wait::in_greenlet() && !std::thread::panicking()
}

fn uninterrupted<R>(mut attempt: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
