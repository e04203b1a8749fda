//! Which greenlet a hub runs, as others may see it.
//!
//! The hub writes two words, plainly: a slice's number, odd while the slice lasts, and the greenlet that it runs. Whoever
//! watches wants both of *one* slice, and then a reference to the greenlet, which may end and be freed at any moment.
//!
//! # Invariants
//!
//! 1. **One slice's greenlet.** A watcher reads the number (*acquire*), then the greenlet, fences, and reads the number again; only
//!    if it is the same, and odd, does it go on. A greenlet from before that slice it cannot have read: the hub stores the number
//!    after the slice's greenlet, with *release*. Nor one from after it: the hub ends a slice with the next number and a
//!    *release* fence, before it stores any other greenlet. Whoever reads that one, and then fences, sees the changed number
//!    at the second reading. So the greenlet itself may be stored relaxed: what orders it is a release after it, and a fence
//!    before it.
//! 2. **Alive.** Between the two readings the watcher leaves the greenlet's address in its [`Claim`]. A hub whose greenlet has
//!    ended has changed the number; it fences, and waits while its greenlet is claimed, before it touches anything that
//!    the greenlet owns. Both fences are `SeqCst`, so one comes first: if the hub's, the second reading sees the changed
//!    number, and the watcher lets go; if the watcher's, the hub sees the claim. (A migrating greenlet may end on another hub than
//!    the watched one: then the watched hub's change of the number happened before that hub's fence, by way of the
//!    greenlet's state, and the same holds.)
//!
//! A claim is held for a few instructions, to count one reference more. The hub waits only at a greenlet's end, and
//! only in a runtime that is observed.

use std::ptr::{self, NonNull};

use crate::primitive::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use crate::primitive::sync::Mutex;

/// The hub's side. Written by the hub's thread alone.
#[derive(Debug)]
pub(crate) struct Running<G> {
    /// How often a slice has begun or ended: odd within one.
    number: AtomicU64,
    /// The greenlet of the slice, or of the last one.
    greenlet: AtomicPtr<G>,
}

impl<G> Running<G> {
    /// No slice yet.
    pub(crate) fn new() -> Running<G> {
        Running {
            number: AtomicU64::new(0),
            greenlet: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The hub: a slice begins.
    #[inline(always)]
    pub(crate) fn begin(&self, greenlet: NonNull<G>) {
        // Relaxed: after the fence of `end`.
        self.greenlet.store(greenlet.as_ptr(), Ordering::Relaxed);
        // Release: after the greenlet, for invariant 1, and after what the hub did before the slice.
        self.number
            .store(self.number.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The hub: it ends.
    #[inline(always)]
    pub(crate) fn end(&self) {
        // Relaxed: the fence publishes it.
        self.number
            .store(self.number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // What the hub stores next, the greenlet of another slice (invariant 1) or whatever it changes between two (see
        // `outside.rs`), must not be seen without the number. Nothing but an order for the compiler on x86.
        fence(Ordering::Release);
    }

    /// How many slices have begun. While it stands still, the hub is in one slice (or idle).
    #[inline]
    pub(crate) fn slices(&self) -> u64 {
        self.number().div_ceil(2)
    }

    /// The number of the slice that the hub is in, or an even one.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// The number of the slice that the hub is in, if it is in one. What the hub did before the slice is seen.
    pub(crate) fn number_of_slice(&self) -> Option<u64> {
        let number = self.number.load(Ordering::Acquire);
        (number % 2 == 1).then_some(number)
    }

    /// The address of the greenlet of the slice, if the hub is in one. It may be gone already.
    pub(crate) fn address(&self) -> Option<usize> {
        // No greenlet of an earlier slice, as this acquires the number.
        let number = self.number_of_slice()?;
        // Acquire pairs with the fence in `end`: with the greenlet of a later slice, the changed number is seen.
        let address = self.greenlet.load(Ordering::Acquire).addr();
        (self.number.load(Ordering::Relaxed) == number).then_some(address)
    }

    /// Where that number lies, for a signal handler on the hub's thread.
    pub(crate) fn number_place(&self) -> &AtomicU64 {
        &self.number
    }
}

/// The watcher's side: the greenlet that it is about to count a reference to. One for all hubs of a runtime.
#[derive(Debug)]
pub(crate) struct Claim<G> {
    greenlet: AtomicPtr<G>,
    /// One watcher at a time.
    turn: Mutex<()>,
}

impl<G> Claim<G> {
    /// Nothing is claimed.
    pub(crate) fn new() -> Claim<G> {
        Claim {
            greenlet: AtomicPtr::new(ptr::null_mut()),
            turn: Mutex::new(()),
        }
    }

    /// A watcher: applies `f` to the greenlet of the slice that has this number, if the hub is in it still. The greenlet is
    /// alive, and does not end, until `f` returns; `f` must be quick.
    pub(crate) fn with<R>(
        &self,
        running: &Running<G>,
        number: u64,
        f: impl FnOnce(NonNull<G>) -> R,
    ) -> Option<R> {
        if number % 2 == 0 {
            return None;
        }
        let _turn = self.turn.lock();
        // Acquire pairs with the release in `begin`: what is read next is no older than this slice.
        if running.number.load(Ordering::Acquire) != number {
            return None;
        }
        let greenlet = running.greenlet.load(Ordering::Relaxed);
        self.greenlet.store(greenlet, Ordering::Relaxed);
        // Pairs with the fence in `end` for invariant 1, and with the fence in `wait` for invariant 2.
        fence(Ordering::SeqCst);
        let result = if running.number.load(Ordering::Relaxed) == number {
            NonNull::new(greenlet).map(f)
        } else {
            None
        };
        // Release: whatever `f` did comes before the hub goes on.
        self.greenlet.store(ptr::null_mut(), Ordering::Release);
        result
    }

    /// A hub whose greenlet has ended, after [`Running::end`]: waits until no watcher is about to refer to it.
    #[cold]
    pub(crate) fn wait(&self, greenlet: NonNull<G>) {
        fence(Ordering::SeqCst);
        // Acquire pairs with the release in `with`.
        while self.greenlet.load(Ordering::Acquire) == greenlet.as_ptr() {
            crate::primitive::thread::yield_now();
        }
    }
}
