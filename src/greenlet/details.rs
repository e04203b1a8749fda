//! What can be told of a greenlet to whoever lists them.

use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::NonNull;

use super::header::Header;
use super::id::GreenletId;
use super::state::{Phase, State};
use super::wait_info::{WaitBegun, WaitInfo};

/// One greenlet, as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    pub(crate) id: GreenletId,
    pub(crate) name: Option<Box<str>>,
    pub(crate) spawned_at: &'static Location<'static>,
    /// Any hub may run it whenever it is ready.
    pub(crate) migrating: bool,
    /// Bound to its hub since birth.
    pub(crate) pinned: bool,
    pub(crate) phase: Phase,
    /// Of one that is parked, or blocks its OS thread.
    pub(crate) wait: Option<WaitBegun>,
}

impl Details {
    /// Those of a living header.
    pub(crate) fn of(header: &Header) -> Details {
        Details {
            id: header.id(),
            name: header.name().map(Box::from),
            spawned_at: header.spawned_at(),
            migrating: header.is_migrating(),
            pinned: header.state().is_pinned(),
            phase: header.state().phase(),
            wait: wait(header.state(), header.wait_info()),
        }
    }
}

fn wait(state: &State, info: &WaitInfo) -> Option<WaitBegun> {
    if state.phase() == Phase::Parked || state.is_blocked() {
        info.get()
    } else {
        None
    }
}

/// A header's bytes, copied by the kernel from a greenlet that nobody keeps alive for us. They mean something only if
/// it was alive all the time: whoever makes the copy must find that out before it asks what is in it.
#[derive(Debug)]
pub(crate) struct Image(MaybeUninit<Header>);

impl Image {
    /// No bytes yet.
    pub(crate) fn empty() -> Image {
        Image(MaybeUninit::zeroed())
    }

    /// Where the bytes are to go.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        let bytes = self.0.as_mut_ptr().cast();
        // SAFETY: the place of a header, whose bytes were set to zero.
        unsafe { std::slice::from_raw_parts_mut(bytes, size_of::<Header>()) }
    }

    /// The next in its owner's list.
    ///
    /// # Safety
    ///
    /// The bytes must be those of a greenlet that was alive, started and suspended, or running, while they were copied.
    pub(crate) unsafe fn next_owned(&self) -> Option<NonNull<Header>> {
        // SAFETY: the caller says that this is a header, and while it is suspended nobody writes to its links.
        unsafe { &*self.0.as_ptr() }.owned().next.get()
    }

    /// Where its name lies, which is to be copied as well.
    ///
    /// # Safety
    ///
    /// As for [`Image::next_owned`].
    pub(crate) unsafe fn name_place(&self) -> Option<*const [u8]> {
        // SAFETY: the caller says that this is a header. A pointer to the name is made, and not followed.
        let name = unsafe { &*self.0.as_ptr() }.name_place()?;
        Some(name as *const [u8])
    }

    /// What can be told of it; its name is in `name`.
    ///
    /// # Safety
    ///
    /// As for [`Image::next_owned`].
    pub(crate) unsafe fn details(&self, name: Option<Box<str>>) -> Details {
        // SAFETY: the caller says that this is a header. What may have changed while it was copied, and is read here, is
        // the state, of which any value will do. The wait of one that is parked has been stable.
        let header = unsafe { &*self.0.as_ptr() };
        Details {
            id: header.id(),
            name,
            spawned_at: header.spawned_at(),
            migrating: header.is_migrating(),
            pinned: header.state().is_pinned(),
            phase: header.state().phase(),
            wait: wait(header.state(), header.wait_info()),
        }
    }
}
