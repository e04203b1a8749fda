//! The started greenlets that a hub, or for migrating ones a lane, has to see through to their end.

use std::ptr::NonNull;

use crate::greenlet::{Greenlet, Header};

/// A list threaded through the headers. Every greenlet in it has started and not ended, so it is alive.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    first: Option<NonNull<Header>>,
    len: usize,
}

// SAFETY: the list is moved between threads only behind its lane's lock, and what it reaches in the headers is its own.
unsafe impl Send for Owned {}

impl Owned {
    /// Adds a greenlet that is about to start.
    ///
    /// # Safety
    ///
    /// It must be in no list, and stay alive until it is removed.
    pub(crate) unsafe fn insert(&mut self, header: NonNull<Header>) {
        // SAFETY: alive, and its links are this list's.
        let links = unsafe { header.as_ref() }.owned();
        links.previous.set(None);
        links.next.set(self.first);
        if let Some(first) = self.first {
            // SAFETY: in the list, so alive.
            unsafe { first.as_ref() }.owned().previous.set(Some(header));
        }
        self.first = Some(header);
        self.len += 1;
    }

    /// Takes one out that has ended.
    ///
    /// # Safety
    ///
    /// It must be in this list.
    pub(crate) unsafe fn remove(&mut self, header: NonNull<Header>) {
        // SAFETY: in the list, so alive; so are its neighbours.
        unsafe {
            let links = header.as_ref().owned();
            match links.previous.get() {
                Some(previous) => previous.as_ref().owned().next.set(links.next.get()),
                None => self.first = links.next.get(),
            }
            if let Some(next) = links.next.get() {
                next.as_ref().owned().previous.set(links.previous.get());
            }
        }
        self.len -= 1;
    }

    /// Nothing is left to see through.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Where the list begins.
    pub(crate) fn first(&self) -> Option<NonNull<Header>> {
        self.first
    }

    /// A handle to each.
    pub(crate) fn handles(&self) -> Vec<Greenlet> {
        let mut handles = Vec::with_capacity(self.len);
        let mut next = self.first;
        while let Some(header) = next {
            // SAFETY: in the list, so alive.
            unsafe {
                handles.push(Greenlet::from_ref(header));
                next = header.as_ref().owned().next.get();
            }
        }
        handles
    }
}
