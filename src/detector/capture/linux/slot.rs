//! What the signal handler of one thread and whoever asks it share. Slots live for ever, so a signal that comes late, even
//! after the runtime that it was meant for is gone, finds memory that is still there.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;

use super::mailbox::Mailbox;
use super::snapshot::Registers;
use crate::primitive::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// The most that is copied of a stack: the innermost part of a deeper one.
pub(super) const PIECE: usize = 64 << 10;

/// What the handler is asked: a copy, if the slice is still the one meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// Changes with each slice of the thread. The asker keeps it for as long as the question stands.
    pub(super) word: *const AtomicU64,
    /// What it says in the slice meant.
    pub(super) expected: u64,
}

// SAFETY: the word is atomic, and the asker keeps it.
unsafe impl Send for Question {}

/// What the handler copies.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) registers: Registers,
    /// How many of the bytes are the stack's; none if the slice was not the one meant.
    pub(super) length: usize,
    /// The stack goes on above.
    pub(super) is_cut: bool,
    /// As many as a piece has.
    pub(super) bytes: Box<[MaybeUninit<u8>]>,
}

/// One thread's.
#[derive(Debug)]
pub(super) struct Slot {
    /// The thread, by the system's number for it.
    pub(super) thread: AtomicU32,
    pub(super) mailbox: Mailbox<Question, Copied>,
    /// It belongs to some `Target`.
    in_use: AtomicBool,
    /// The slot made before this one. Written before the slot is published, and never again.
    older: UnsafeCell<*const Slot>,
}

// SAFETY: the one field that is not atomic is written before others see the slot.
unsafe impl Sync for Slot {}

/// The youngest slot; through it all that have ever been made.
static YOUNGEST: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// Every slot. Async-signal-safe.
fn all() -> impl Iterator<Item = &'static Slot> {
    // Acquire: pairs with the Release that published it, and with it all older ones.
    let mut next: *const Slot = YOUNGEST.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: null or a published slot, which lives for ever.
        let slot = unsafe { next.as_ref() }?;
        // SAFETY: not written since it was published.
        next = unsafe { *slot.older.get() };
        Some(slot)
    })
}

/// The slot at `address`, if that is one. Async-signal-safe.
pub(super) fn find(address: *const Slot) -> Option<&'static Slot> {
    all().find(|slot| ptr::eq(*slot, address))
}

/// A slot for `thread`: one that was given back, or a new one.
pub(super) fn take(thread: u32) -> &'static Slot {
    let free = all().find(|slot| !slot.in_use.swap(true, Ordering::Acquire));
    let slot = free.unwrap_or_else(make);
    // Before any question: whoever asks publishes it with the question.
    slot.thread.store(thread, Ordering::Relaxed);
    slot
}

/// Gives a slot back. Nobody may ask in it any more.
pub(super) fn give_back(slot: &'static Slot) {
    // Release: pairs with the Acquire in `take`.
    slot.in_use.store(false, Ordering::Release);
}

/// A new slot, in use.
fn make() -> &'static Slot {
    let question = Question {
        word: ptr::null(),
        expected: 0,
    };
    let copied = Copied {
        registers: Registers::default(),
        length: 0,
        is_cut: false,
        bytes: Box::new_uninit_slice(PIECE),
    };
    let slot: &'static Slot = Box::leak(Box::new(Slot {
        thread: AtomicU32::new(0),
        mailbox: Mailbox::new(question, copied),
        in_use: AtomicBool::new(true),
        older: UnsafeCell::new(ptr::null()),
    }));
    let mut older = YOUNGEST.load(Ordering::Relaxed);
    loop {
        // SAFETY: nobody else sees the slot before the exchange below succeeds.
        unsafe { *slot.older.get() = older };
        // Release: pairs with the Acquire in `all`.
        match YOUNGEST.compare_exchange(
            older,
            ptr::from_ref(slot).cast_mut(),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            Ok(_) => return slot,
            Err(now) => older = now,
        }
    }
}
