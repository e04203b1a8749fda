//! A source's registration with the driver of a hub.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::registered;
use crate::context;
use crate::driver::{Direction, Registration, Seen};
use crate::greenlet::Unparker;

/// A registration, and what must live as long.
#[derive(Debug)]
pub(super) struct Watch {
    // Dropped before `_duplicate`.
    registration: Registration,
    /// What is registered, if not the source's own descriptor.
    _duplicate: Option<OwnedFd>,
}

impl Watch {
    /// Registers a descriptor with the hub that runs here.
    ///
    /// # Safety
    ///
    /// It must stay open until this is dropped.
    pub(super) unsafe fn new(fd: BorrowedFd<'_>) -> io::Result<Watch> {
        // SAFETY: the caller's promise.
        match unsafe { register(fd) } {
            Ok(registration) => Ok(Watch {
                registration,
                _duplicate: None,
            }),
            // Another source on the same descriptor has been here. To the poller a duplicate is a stranger.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let duplicate = fd.try_clone_to_owned()?;
                // SAFETY: it is kept beside the registration, and closed after it.
                let registration = unsafe { register(duplicate.as_fd()) }?;
                Ok(Watch {
                    registration,
                    _duplicate: Some(duplicate),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this kind of file is always ready, or its system cannot tell: it cannot be waited for",
            )),
            Err(error) => Err(error),
        }
    }

    /// The hub that runs here, or another of its lane, hears of its events.
    pub(super) fn is_near(&self) -> bool {
        let lane = context::with(|context| context.driver().lane());
        lane == Some(self.registration.lane())
    }

    /// What is known of one direction, before an attempt.
    #[inline]
    pub(super) fn look(&self, direction: Direction) -> Seen {
        self.registration.readiness(direction).look()
    }
}

/// # Safety
///
/// As for [`Registration::new`].
unsafe fn register(fd: BorrowedFd<'_>) -> io::Result<Registration> {
    // SAFETY: the caller's promise.
    context::with_driver(|driver| unsafe { Registration::new(driver, fd) })
        .expect("a greenlet runs on a hub")
}

impl Deref for Watch {
    type Target = Registration;

    fn deref(&self) -> &Registration {
        &self.registration
    }
}

impl registered::Watch for Watch {
    type Woken = Vec<Unparker>;

    fn is_closed(&self) -> bool {
        self.look(Direction::Read).is_closed()
    }

    fn is_awaited(&self) -> bool {
        self.registration.is_awaited()
    }

    fn close(&self) -> Vec<Unparker> {
        self.registration.close()
    }

    fn end(&self, woken: Vec<Unparker>) {
        self.registration.end();
        woken.into_iter().for_each(|waiter| waiter.unpark());
    }
}
