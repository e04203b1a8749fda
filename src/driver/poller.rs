//! Where an OS thread blocks for sockets. The only file that names the `polling` crate.
//!
//! There are two ways. On Linux a [`Straight`] waits on the `polling::Poller`'s epoll descriptor itself; elsewhere
//! `Poller::wait` and `Poller::notify` do it. Both keep these promises:
//!
//! - A socket is registered once, edge-triggered, for both directions: it is reported when it *becomes* ready, and once
//!   for what it already is when it is added.
//! - `notify` ends a wait that is going on or, if there is none, the next one; any number of notifies may end the same.
//! - Another thread may wait with a timeout of zero while the owner blocks. If that takes the owner's notify, it gives
//!   it back, so that the owner wakes all the same.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use polling::PollMode;

use super::epoll::{Buffer, Straight};
use super::event::{Event, NOTIFY_KEY};
use crate::primitive::atomic::{AtomicBool, Ordering};

/// One poller, either way.
#[derive(Debug)]
pub(super) struct Poller {
    poller: polling::Poller,
    way: Way,
}

/// How to wait.
#[derive(Debug)]
enum Way {
    /// On the epoll descriptor.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code, reason = "never made without epoll")
    )]
    Straight(Straight),
    /// With `polling`.
    Portable(Portable),
}

/// What the portable way needs beside the `polling::Poller`.
#[derive(Debug, Default)]
struct Portable {
    /// The owner was notified, and has not woken since. `polling` swallows its own notification in whichever wait sees
    /// it first; this tells a helper that it may have been this one.
    notified: AtomicBool,
}

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The hub that the poller belongs to.
    Owner,
    /// Another hub's thread, which must not keep the owner's notify.
    Helper,
}

impl Poller {
    /// The best way that this system has.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn new() -> io::Result<Poller> {
        let poller = polling::Poller::new()?;
        let way = match Straight::new(poller.as_fd()) {
            Ok(straight) => Way::Straight(straight),
            // Some containers have no eventfd. `polling` makes do with a pipe there.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                Way::Portable(Portable::default())
            }
            Err(error) => return Err(error),
        };
        Ok(Poller { poller, way })
    }

    /// The best way that this system has.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn new() -> io::Result<Poller> {
        Poller::portable()
    }

    /// The way that works everywhere.
    #[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
    pub(super) fn portable() -> io::Result<Poller> {
        Ok(Poller {
            poller: polling::Poller::new()?,
            way: Way::Portable(Portable::default()),
        })
    }

    /// The direct way on an old kernel.
    #[cfg(all(test, any(target_os = "linux", target_os = "android")))]
    pub(super) fn coarse() -> io::Result<Poller> {
        let poller = polling::Poller::new()?;
        let straight = Straight::new(poller.as_fd())?.coarse();
        Ok(Poller {
            poller,
            way: Way::Straight(straight),
        })
    }

    /// Registers a socket, for both directions, under `key`. Whatever it is ready for is reported at once.
    ///
    /// # Safety
    ///
    /// `fd` must stay open until [`delete`](Poller::delete) was called for it.
    pub(super) unsafe fn add(&self, fd: RawFd, key: usize) -> io::Result<()> {
        debug_assert!(key < NOTIFY_KEY, "kept for the notifiers");
        match &self.way {
            Way::Straight(straight) => straight.add(self.descriptor(), fd, key),
            Way::Portable(_) => {
                let interest = polling::Event::all(key);
                // SAFETY: the caller keeps `fd` open until it is deleted.
                unsafe { self.poller.add_with_mode(fd, interest, PollMode::Edge) }
            }
        }
    }

    /// Ends a registration. Events of it that were already reported may still be on their way.
    pub(super) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    /// Waits for events, at most for `timeout`; they replace what `batch` held. Returns early, with none, after a
    /// notify or a signal.
    pub(super) fn wait(
        &self,
        batch: &mut Batch,
        timeout: Option<Duration>,
        waiter: Waiter,
    ) -> io::Result<()> {
        match &self.way {
            Way::Straight(straight) => {
                let buffer = batch.straight.get_or_insert_with(Buffer::new);
                straight.wait(self.descriptor(), buffer, timeout)?;
                if waiter == Waiter::Helper && buffer.iter().any(|event| event.key == NOTIFY_KEY) {
                    straight.notify();
                }
                Ok(())
            }
            Way::Portable(portable) => {
                let events = batch.portable.get_or_insert_with(polling::Events::new);
                events.clear();
                let result = self.poller.wait(events, timeout);
                match waiter {
                    Waiter::Owner => portable.notified.store(false, Ordering::SeqCst),
                    // Pairs with the store in `notify`. Sequentially consistent because `polling` merges notifies by a
                    // flag of that kind: a notifier that finds that flag set writes nothing, and relies on the wait
                    // that clears it. If that wait is this one, then our flag was set before theirs was cleared.
                    Waiter::Helper if portable.notified.load(Ordering::SeqCst) => {
                        self.poller.notify()?
                    }
                    Waiter::Helper => {}
                }
                result.map(drop)
            }
        }
    }

    /// Ends the owner's wait, or its next one. From any thread.
    pub(super) fn notify(&self) {
        match &self.way {
            Way::Straight(straight) => straight.notify(),
            Way::Portable(portable) => {
                // Pairs with the load in `wait`.
                portable.notified.store(true, Ordering::SeqCst);
                // It writes to a pipe, an eventfd or a kqueue of its own, which fails only when it is gone.
                let _ = self.poller.notify();
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn descriptor(&self) -> BorrowedFd<'_> {
        unreachable!("only a `Straight` asks, and there is none")
    }
}

/// A reusable buffer for what a wait reports.
#[derive(Default)]
pub(super) struct Batch {
    straight: Option<Buffer>,
    portable: Option<polling::Events>,
}

impl Batch {
    /// The events of sockets, without the notifiers'.
    pub(super) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        let straight = self
            .straight
            .iter()
            .flat_map(Buffer::iter)
            .filter(|event| event.key != NOTIFY_KEY);
        let portable = self
            .portable
            .iter()
            .flat_map(polling::Events::iter)
            .map(|event| Event {
                key: event.key,
                readable: event.readable,
                writable: event.writable,
                // `polling` reports no half-closing, so any event may mean one.
                wary: true,
            });
        straight.chain(portable)
    }
}
