//! Linux's way to wait: straight on the epoll descriptor.
//!
//! `polling` would set a timer descriptor, re-arm it, wait, read its notifier and re-arm that: five system calls for
//! each wait. Here it is one. The timeout goes to `epoll_pwait2`, which takes nanoseconds; and the notifier is an
//! eventfd that is registered edge-triggered and never read: every write to it is a new edge, and none has to be undone.
//! (Its counter would overflow after 2^64 notifications.)
//!
//! Sockets are registered here too, because `polling` cannot ask for `EPOLLRDHUP`. Without that, a peer's last bytes
//! and its closing, which one edge may report together, look like bytes alone; then a read that returns less than it
//! was asked for would not mean that the next one finds nothing, and every request would cost one more read.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::event::{Event, NOTIFY_KEY};

/// How many events one wait takes. What does not fit is there at the next one, in its turn: the kernel's list is first in,
/// first out. So many that a wait costs little for each, so few that a socket which the wait has looked at is still in the
/// cache when its greenlet reads from it.
const BATCH: usize = 64;

const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLRDHUP) as u32 | BROKEN;
const WRITABLE: u32 = libc::EPOLLOUT as u32 | BROKEN;
const BROKEN: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;
const WARY: u32 = (libc::EPOLLPRI | libc::EPOLLRDHUP) as u32 | BROKEN;
const INTEREST: u32 =
    (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP | libc::EPOLLET) as u32;

/// The kernel's `__kernel_timespec`: 64 bits on every architecture, as no C library's is.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// What the direct way needs beside the epoll descriptor, which it borrows for every call.
#[derive(Debug)]
pub(super) struct Straight {
    notifier: OwnedFd,
    /// `epoll_pwait2` exists (Linux 5.11).
    precise: bool,
}

impl Straight {
    /// Makes the notifier and registers it with `epoll`.
    pub(super) fn new(epoll: BorrowedFd<'_>) -> io::Result<Straight> {
        // SAFETY: no pointer is passed.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the call has just returned this descriptor, and nobody else knows it.
        let notifier = unsafe { OwnedFd::from_raw_fd(fd) };
        add(
            epoll,
            notifier.as_raw_fd(),
            (libc::EPOLLIN | libc::EPOLLET) as u32,
            NOTIFY_KEY,
        )?;
        let mut straight = Straight {
            notifier,
            precise: true,
        };
        // Kernels without the call answer ENOSYS, some containers' filters EPERM.
        straight.precise = straight
            .wait(epoll, &mut Buffer::with_capacity(1), Some(Duration::ZERO))
            .is_ok();
        Ok(straight)
    }

    /// Uses the old `epoll_wait`, as on an old kernel.
    #[cfg(test)]
    pub(super) fn coarse(self) -> Straight {
        Straight {
            precise: false,
            ..self
        }
    }

    /// Registers `fd` for every edge in both directions.
    pub(super) fn add(&self, epoll: BorrowedFd<'_>, fd: RawFd, key: usize) -> io::Result<()> {
        add(epoll, fd, INTEREST, key)
    }

    /// Blocks until there are events, or for `timeout`, or until a signal comes. The events replace what `buffer` held.
    pub(super) fn wait(
        &self,
        epoll: BorrowedFd<'_>,
        buffer: &mut Buffer,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        buffer.0.clear();
        let room = i32::try_from(buffer.0.capacity()).unwrap_or(i32::MAX);
        let into = buffer.0.as_mut_ptr();
        let count = if self.precise {
            let timeout = timeout.map(|timeout| Timespec {
                seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: i64::from(timeout.subsec_nanos()),
            });
            let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
            // SAFETY: `into` has room for `room` events; the timeout is null or points to a timespec that outlives the
            // call; the signal mask is null and its size therefore ignored.
            unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll.as_raw_fd(),
                    into,
                    room,
                    timeout,
                    ptr::null::<libc::sigset_t>(),
                    0_usize,
                ) as i32
            }
        } else {
            // SAFETY: `into` has room for `room` events.
            unsafe { libc::epoll_wait(epoll.as_raw_fd(), into, room, milliseconds(timeout)) }
        };
        match check(count) {
            // SAFETY: the kernel has written `count` events, at most `room`.
            Ok(count) => unsafe { buffer.0.set_len(count as usize) },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends a wait that is going on, or the next one.
    pub(super) fn notify(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is as long as is said.
        let written =
            unsafe { libc::write(self.notifier.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        debug_assert_eq!(
            written, 8,
            "an eventfd takes eight bytes until its counter overflows"
        );
    }
}

/// Where a wait puts its events.
pub(super) struct Buffer(Vec<libc::epoll_event>);

impl Buffer {
    /// Room for a full batch.
    pub(super) fn new() -> Buffer {
        Buffer::with_capacity(BATCH)
    }

    fn with_capacity(events: usize) -> Buffer {
        Buffer(Vec::with_capacity(events))
    }

    /// What the last wait reported.
    pub(super) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.0.iter().map(|event| {
            // Copied out: on x86-64 the struct is packed.
            let (flags, key) = (event.events, event.u64);
            Event {
                key: key as usize,
                readable: flags & READABLE != 0,
                writable: flags & WRITABLE != 0,
                wary: flags & WARY != 0,
            }
        })
    }
}

fn add(epoll: BorrowedFd<'_>, fd: RawFd, interest: u32, key: usize) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: interest,
        u64: key as u64,
    };
    // SAFETY: the event outlives the call. A descriptor that is not open is an error, no more.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) })?;
    Ok(())
}

/// `epoll_wait`'s idea of a timeout: rounded up, so that no timer is looked at too early.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| {
        let rounded_up = timeout.as_nanos().div_ceil(1_000_000);
        i32::try_from(rounded_up).unwrap_or(i32::MAX)
    })
}

fn check(result: i32) -> io::Result<i32> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_timeout_is_never_shorter_than_asked_for() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_micros(1_000))), 1);
        assert_eq!(milliseconds(Some(Duration::from_micros(1_001))), 2);
        assert_eq!(milliseconds(Some(Duration::MAX)), i32::MAX);
    }
}
