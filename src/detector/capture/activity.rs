//! What a thread does, as far as it can be known.

/// What a thread was doing a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    expect(dead_code, reason = "nobody is told it there")
)]
pub(crate) enum Activity {
    /// It runs, or would if it got a processor.
    Running,
    /// It waits in a system call.
    InSyscall {
        /// Which, by its number on this processor.
        number: i64,
        /// Its stack pointer.
        sp: u64,
        /// The instruction after the call.
        pc: u64,
    },
    /// It waits, but not in a system call: for a page of memory that has to be read, say.
    Waiting {
        /// Its stack pointer.
        sp: u64,
        /// The instruction that it waits at.
        pc: u64,
    },
    /// The system does not say: some containers hide it.
    Unknown,
}
