//! A socket that greenlets can wait for.
//!
//! Every call tries first, and waits only when it would block. The first wait registers the socket with the poller of the
//! hub that it happens on; from then on the registration's readiness words say when a try is in vain, so that
//! in the steady state a request costs one read, one write, and its share of the hub's waits for events:
//!
//! ```text
//!   loop {
//!       look at the word                 unregistered: "nothing is known"
//!       if it may be ready, try          done: return it (and note TCP's short transfer: the next try would be in vain)
//!       clear the word                   unless an event has come since we looked: then try again
//!       deliver a kill; give up when the deadline has passed
//!       enrol and park                   unless an event has come: then try again
//!   }
//! ```
//!
//! Where nothing can park (on a plain OS thread, or in a destructor that runs during an unwinding) the wait is a poll(2)
//! on the descriptor itself, which does not depend on any hub's polling.
//!
//! Which registration that is, and when another takes its place: see `registered`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::lingering::Spare;
use super::modes::Patience;
use super::nonblocking::Nonblocking;
use super::registered::{Current, Registered};
use super::sys;
use super::watch::Watch;
use crate::driver::{Cleared, Direction, Enrolled, Readiness, Seen, WaiterId};
use crate::greenlet::{Unparker, WaitKind};
use crate::primitive::atomic::{AtomicU32, Ordering};
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
    /// Which of the socket's directions has to become ready.
    pub(super) fn direction(self) -> Direction {
        self.direction
    }

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

/// Any descriptor that can be polled, for greenlets to wait for: a pipe, a terminal, an `inotify`, an `eventfd`, a socket
/// of another library.
///
/// [`read_with`](Source::read_with) and [`write_with`](Source::write_with) repeat an operation that fails with `WouldBlock`
/// until it does not, and let other greenlets run meanwhile. Where a type implements [`Read`](std::io::Read) or
/// [`Write`](std::io::Write) for a shared reference, as [`File`](std::fs::File) does, the source implements it too.
/// [`readable`](Source::readable) and [`writable`](Source::writable) only wait, for libraries that do the transfer themselves.
/// All of them work on a plain OS thread, where they block the thread. A [`timeout`](crate::timeout) or a kill ends them.
///
/// ```
/// use std::fs::File;
/// use std::io::{self, Read};
/// use std::os::fd::OwnedFd;
/// use std::process::{Command, Stdio};
/// use greenhub::net::Source;
///
/// # fn main() -> io::Result<()> {
/// greenhub::run(|| {
///     let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
///     let pipe = OwnedFd::from(child.stdout.take().expect("it is piped"));
///     let mut text = String::new();
///     // Others run while this waits for the child.
///     Source::new(File::from(pipe))?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello\n");
///     child.wait().map(drop)
/// })
/// # }
/// ```
///
/// # Non-blocking mode
///
/// `T` must give the same descriptor whenever it is asked. If it does not, waits end too early or never; they can do no more
/// harm than that.
///
/// The non-blocking mode that a source needs belongs to the open file, not to the descriptor: whoever has a duplicate, another
/// part of the program or a child process, shares it, and its own reads and writes fail with `WouldBlock` where they would
/// have waited. So share a source, by reference; or make several of one open file. The mode in which the first of them has
/// found it comes back when the last of them has gone. What other processes do to it meanwhile cannot be known.
///
/// A terminal is shared with the most: standard input, output and error are one open file as a rule, and it is the shell's,
/// too. So on Linux a terminal is opened anew, non-blocking, and the new file stands for the same number while there are
/// sources of it: a source of [`stdin`](std::io::stdin) does not disturb `println!`. Where it cannot be opened, because it
/// belongs to another user or there is no `/proc`, and on other systems, its mode is shared as all others' are.
pub struct Source<T> {
    // Dropped before `socket`, as is `nonblocking`: a descriptor is deregistered before it is closed.
    registered: Registered<Watch>,
    nonblocking: Nonblocking,
    /// Calls since the last one that had to wait. A hint: several greenlets may count here at once.
    streak: AtomicU32,
    socket: T,
    // Dropped after `socket`.
    spare: Spare,
}

impl<T> Source<T> {
    /// Not registered yet. Attempts on the socket must not block, in whatever mode it is.
    pub(super) fn over(socket: T) -> Source<T> {
        Source::with(socket, Nonblocking::none())
    }

    /// The same for a socket that needs to be in non-blocking mode.
    pub(super) fn with(socket: T, nonblocking: Nonblocking) -> Source<T> {
        Source::with_spare(socket, nonblocking, Spare::none())
    }

    /// The same for one whose owner may close it without regard to its lingering.
    pub(super) fn with_spare(socket: T, nonblocking: Nonblocking, spare: Spare) -> Source<T> {
        Source {
            registered: Registered::new(),
            nonblocking,
            streak: AtomicU32::new(0),
            socket,
            spare,
        }
    }

    /// The socket. There is no such method for a mutable reference: who had one could put another socket in its place, and
    /// close the one that is registered.
    pub(super) fn get(&self) -> &T {
        &self.socket
    }

    /// What keeps it in non-blocking mode.
    pub(super) fn nonblocking(&self) -> &Nonblocking {
        &self.nonblocking
    }

    /// The socket, deregistered, and in the mode that it is to have in the end.
    pub(super) fn release(self) -> T {
        drop(self.registered);
        drop(self.nonblocking);
        self.spare.dismiss();
        self.socket
    }
}

impl<T: AsFd> Source<T> {
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

    /// The same for an attempt that may succeed when no other would, because it moves nothing: what is known of the socket is
    /// not asked before it has failed.
    #[track_caller]
    pub(super) fn run_at_once<R>(
        &self,
        purpose: Purpose,
        patience: Patience,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.give_way(patience);
        match uninterrupted(|| attempt(self.socket.as_fd())) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.run(purpose, patience, attempt)
            }
            done => done,
        }
    }

    /// See the module's text. `is_short`: the result shows that another attempt would block.
    #[track_caller]
    pub(super) fn until_done<R>(
        &self,
        purpose: Purpose,
        patience: Patience,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        let fd = self.socket.as_fd();
        self.give_way(patience);
        let mut deadline = None;
        let mut is_last = patience == Patience::None;
        let mut has_waited = false;
        let mut may_move = true;
        loop {
            let current = self
                .registered
                .current(|watch| watch.look(purpose.direction));
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
                    Err(error) => {
                        if patience == Patience::None && error.kind() == io::ErrorKind::WouldBlock {
                            // The hub may have what a loop around this waits for.
                            wait::yield_if_overdue();
                        }
                        return Err(error);
                    }
                }
            }
            wait::deliver_due();
            if let (Patience::For(timeout), false) = (patience, has_waited) {
                // The clock is read by those who wait only.
                deadline = wait::deadline_after(timeout);
            }
            has_waited = true;
            let current = current.map(|(current, _)| current);
            may_move = self.wait(purpose, deadline, seen, current, may_move)?;
            // One last attempt: a deadline must not win over bytes that are there. It fails with the same `WouldBlock`
            // that the kernel gives for a timeout of its own.
            is_last = wait::has_passed(deadline);
        }
    }

    /// Waits until an attempt may succeed where one that saw `seen` did not, or the deadline; or a shorter while. Says whether
    /// the next wait may move the registration.
    #[track_caller]
    fn wait(
        &self,
        purpose: Purpose,
        deadline: Option<Instant>,
        seen: Seen,
        current: Option<Current<'_, Watch>>,
        may_move: bool,
    ) -> io::Result<bool> {
        // Relaxed: see the field.
        self.streak.store(0, Ordering::Relaxed);
        let fd = self.socket.as_fd();
        if !can_park() {
            let until = wait::within_limits(deadline);
            let block = || sys::block(fd, purpose.direction, until).map(|_| true);
            return wait::block_in_place(purpose.kind, block);
        }
        // SAFETY: the descriptor stays open for as long as the source has the socket, and the registrations in a source are
        // dropped before its socket; whoever holds a `Current` borrows the source. It stays open, because it was given for
        // the length of a shared borrow, and must be good for as long as any shared borrow could last: the socket cannot
        // tell when one ends, only when it is mutably borrowed, which a source never does, or dropped.
        let make = || unsafe { Watch::new(fd) };
        let registered = &self.registered;
        let found = registered.to_wait_with(current, may_move, Watch::is_near, make)?;
        let Some(current) = found else {
            return Ok(false);
        };
        let readiness = current.readiness(purpose.direction);
        if seen.is_ready() && readiness.clear(seen) == Cleared::No {
            return Ok(false);
        }
        match readiness.enrol(wait::current_unparker()) {
            Enrolled::Waiting(waiter) => {
                let _withdraw = Withdraw { readiness, waiter };
                wait::park(purpose.kind, deadline);
                Ok(!current.look(purpose.direction).is_closed())
            }
            Enrolled::Ready | Enrolled::Closed => Ok(false),
        }
    }

    /// A greenlet whose peers are fast never waits: it gives way to the others now and then. What may not wait delivers
    /// nothing, either.
    fn give_way(&self, patience: Patience) {
        // Relaxed: see the field.
        let streak = self.streak.load(Ordering::Relaxed).wrapping_add(1);
        self.streak.store(streak, Ordering::Relaxed);
        if streak % STREAK == 0 {
            match patience {
                Patience::None => wait::yield_if_overdue(),
                _ => wait::checkpoint(),
            }
        }
    }
}

/// Takes a waiter off the list however its wait ends: a park may unwind before it has begun.
struct Withdraw<'a> {
    readiness: &'a Readiness<Unparker>,
    waiter: WaiterId,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.readiness.withdraw(self.waiter);
    }
}

impl<T: fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
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

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
