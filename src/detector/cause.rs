//! What keeps a hub, and what to do about it.

use std::fmt;

use super::syscalls;

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
            Cause::Unknown => f.write_str("unknown"),
        }
    }
}
