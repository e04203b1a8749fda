//! What keeps a hub, and what to do about it.

use std::fmt;
use std::num::NonZeroUsize;
use std::panic::Location;

use super::syscalls;
use crate::greenlet::{Greenlet, Hopeless, WaitKind};

/// What a greenlet does that keeps its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It computes: its thread uses the processor.
    Cpu,
    /// It sits in a system call that blocks its thread.
    Syscall {
        /// The call's number on this platform.
        number: i64,
        /// Its name; empty if the number is not in this crate's table.
        name: &'static str,
    },
    /// A destructor waits, while a panic, a kill or a time limit unwinds. Such a greenlet cannot park, so it keeps its thread.
    WaitsWhileUnwinding {
        /// What it waits for.
        wait: WaitKind,
        /// The line that waits.
        place: &'static Location<'static>,
        /// If it is a lock whose holder is settled on the same hub: the number of that greenlet, and the line since which it has had
        /// the lock. Then the wait never ends, and is told of at once.
        holder: Option<(NonZeroUsize, &'static Location<'static>)>,
    },
    /// It could not be told. The platform may not say, or the thread neither computed nor was in a system call when it was
    /// looked at: it may have been waiting for a processor.
    Unknown,
}

impl Cause {
    /// The system call with that number.
    pub(crate) fn syscall(number: i64) -> Cause {
        Cause::Syscall {
            number,
            name: syscalls::name(number),
        }
    }

    /// If the greenlet waits while it unwinds; `hopeless` is what it has said of that.
    pub(crate) fn of_unwinding(greenlet: &Greenlet, hopeless: Option<Hopeless>) -> Option<Cause> {
        if let Some(hopeless) = hopeless {
            return Some(Cause::WaitsWhileUnwinding {
                wait: hopeless.kind,
                place: hopeless.place,
                holder: Some((hopeless.holder, hopeless.since)),
            });
        }
        let header = greenlet.header();
        let wait = header
            .state()
            .is_blocked()
            .then(|| header.wait_info().get())??;
        Some(Cause::WaitsWhileUnwinding {
            wait: wait.kind,
            place: wait.place,
            holder: None,
        })
    }

    /// What to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Cause::Cpu => {
                "call greenhub::checkpoint() or yield_now() in this loop, or start it with spawn_compute"
            }
            Cause::Syscall { name: "futex", .. } => {
                "a std lock, channel or join blocks the whole thread, and a std lock that another greenlet holds across a \
                 wait may never be released: use greenhub::sync, greenhub::channel, or offload this call"
            }
            Cause::Syscall {
                name: "nanosleep" | "clock_nanosleep",
                ..
            } => "use greenhub::sleep",
            Cause::Syscall {
                name:
                    "recvfrom" | "recvmsg" | "recvmmsg" | "sendto" | "sendmsg" | "sendmmsg" | "accept"
                    | "accept4" | "connect",
                ..
            } => "use greenhub::net, or offload this call",
            Cause::Syscall {
                name:
                    "read" | "write" | "readv" | "writev" | "poll" | "ppoll" | "select" | "pselect6",
                ..
            } => {
                "offload this call; a pipe, a terminal or a socket can be waited for with greenhub::net::Source"
            }
            Cause::Syscall { .. } => {
                "offload this call: greenhub::offload runs it on a thread that may block"
            }
            Cause::WaitsWhileUnwinding { .. } => {
                "a destructor that locks, sends, joins, sleeps or flushes (a BufWriter does) must not wait for others of its hub \
                 while a panic, a kill or a time limit unwinds: do that before the end of the scope, within greenhub::shield \
                 if it must not be broken off, or leave it to a greenlet of its own"
            }
            Cause::Unknown => {
                "look at what it does; if the machine is overloaded, its thread may have been waiting for a processor"
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Cpu => f.write_str("it computes"),
            Cause::Syscall { number, name: "" } => write!(f, "it is in system call {number}"),
            Cause::Syscall { name, .. } => write!(f, "it is in the system call {name}"),
            Cause::WaitsWhileUnwinding {
                wait,
                place,
                holder: Some((greenlet, since)),
            } => write!(
                f,
                "it unwinds, and waits at {place} for a {wait} that greenlet #{greenlet} of the same hub has had since {since}: \
                 this never ends"
            ),
            Cause::WaitsWhileUnwinding { wait, place, .. } => {
                write!(f, "it unwinds, and waits at {place} ({wait})")
            }
            Cause::Unknown => f.write_str("unknown"),
        }
    }
}
