//! An unbounded queue without locks: a list of blocks, each with room for some messages.
//!
//! Positions count up for ever. Of each [`LAP`] of them all but the last are slots of a block; the last one is nobody's, and
//! says that whoever has claimed the block's last slot is just putting the next block in its place. A sender claims a position
//! by moving `tail`, a receiver reserves one by moving `head`; each then has the slot to itself. A block is freed by the last
//! who has to do with it: see [`Block::free`]. This is the list of crossbeam's `SegQueue` and channels (Stjepan Glavina),
//! with a receiver's two steps apart.
//!
//! Between claiming a slot and writing to it nothing of the user's runs, so a receiver that has come first may spin.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use crossbeam_utils::CachePadded;

use super::destructors::Panics;
use super::store::{Found, Place, Store};
use crate::primitive::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};
use crate::primitive::cell::UnsafeCell;
use crate::primitive::{spin_loop, thread};

/// The queue.
#[derive(Debug)]
pub(super) struct List<T> {
    head: CachePadded<End<T>>,
    tail: CachePadded<End<T>>,
    _messages: PhantomData<T>,
}

/// One end of the list.
#[derive(Debug)]
struct End<T> {
    /// The next position there, times two; in `head`, plus [`NOT_LAST`].
    position: AtomicUsize,
    /// Its block. Null until the first message.
    block: AtomicPtr<Block<T>>,
}

struct Block<T> {
    next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; SLOTS],
}

struct Slot<T> {
    /// `WRITTEN`, `READ`, `LEFT`.
    state: AtomicUsize,
    message: UnsafeCell<MaybeUninit<T>>,
}

/// So many positions belong to a block.
const LAP: usize = if cfg!(greenhub_loom) { 4 } else { 32 };
/// So many of them are slots.
const SLOTS: usize = LAP - 1;
/// In `head`: its block has a next one, so there is something in it.
const NOT_LAST: usize = 1;
/// From one position to the next.
const STEP: usize = 2;

/// In a slot's state: the message is there.
const WRITTEN: usize = 1;
/// In a slot's state: it has been read.
const READ: usize = 2;
/// In a slot's state: whoever reads it must go on freeing the block.
const LEFT: usize = 4;

// SAFETY: messages go from thread to thread; a slot is touched by one at a time, as its state has it.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for List<T> {}

impl<T> Block<T> {
    /// Made where it stays: messages may be large.
    fn new() -> Box<Block<T>> {
        let mut block = Box::<Block<T>>::new_uninit();
        let at = block.as_mut_ptr();
        // SAFETY: `at` is valid for writes; every field is written, but for messages, which need not be.
        unsafe {
            (&raw mut (*at).next).write(AtomicPtr::new(ptr::null_mut()));
            for index in 0..SLOTS {
                let slot = &raw mut (*at).slots[index];
                (&raw mut (*slot).state).write(AtomicUsize::new(0));
                init_cell(&raw mut (*slot).message);
            }
            block.assume_init()
        }
    }

    /// The next block, which somebody is about to put there.
    fn next(&self) -> *mut Block<T> {
        let mut patience = Spinning::default();
        loop {
            let next = self.next.load(Ordering::Acquire);
            if !next.is_null() {
                return next;
            }
            patience.spin();
        }
    }

    /// Frees a block whose slots before `first` have been read, and those after it reserved; whoever still reads one frees the
    /// rest. The last slot need not be looked at: who reads it is the one who begins.
    ///
    /// # Safety
    ///
    /// The caller has read the slot before `first`, or the last, and found that it is its turn; it touches the block no more.
    unsafe fn free(this: *mut Block<T>, first: usize) {
        for index in first..SLOTS - 1 {
            // SAFETY: the block is alive: it is freed below.
            let state = unsafe { &(*this).slots[index].state };
            if state.load(Ordering::Acquire) & READ == 0
                && state.fetch_or(LEFT, Ordering::AcqRel) & READ == 0
            {
                return;
            }
        }
        // SAFETY: made by `new`, and all its slots have been read.
        drop(unsafe { Box::from_raw(this) });
    }
}

impl<T> Slot<T> {
    /// Until the message is there.
    #[inline]
    fn until_written(&self) {
        let mut patience = Spinning::default();
        // Acquire pairs with the release in `fill`.
        while self.state.load(Ordering::Acquire) & WRITTEN == 0 {
            patience.spin();
        }
    }

    /// # Safety
    ///
    /// There is a message, which is the caller's.
    unsafe fn drop_message(&self) {
        // SAFETY: as the caller says.
        self.message
            .with_mut(|at| unsafe { (*at).assume_init_drop() });
    }
}

impl<T> List<T> {
    /// Empty.
    pub(super) fn new() -> List<T> {
        let end = || {
            CachePadded::new(End {
                position: AtomicUsize::new(0),
                block: AtomicPtr::new(ptr::null_mut()),
            })
        };
        List {
            head: end(),
            tail: end(),
            _messages: PhantomData,
        }
    }

    /// Claims a slot, which must be written to at once: receivers spin until it is.
    #[inline]
    fn next_slot(&self) -> (*mut Block<T>, usize) {
        let mut patience = Spinning::default();
        let mut spare = None;
        loop {
            let tail = self.tail.position.load(Ordering::Acquire);
            let block = self.tail.block.load(Ordering::Acquire);
            let offset = (tail / STEP) % LAP;
            if offset == SLOTS {
                // The next block is being put there.
                patience.spin();
                continue;
            }
            // Others wait while the next block is put there: it is made before.
            if offset + 1 == SLOTS && spare.is_none() {
                spare = Some(Block::new());
            }
            if block.is_null() {
                self.begin(&mut spare);
                continue;
            }
            let claimed = self.tail.position.compare_exchange_weak(
                tail,
                tail.wrapping_add(STEP),
                Ordering::SeqCst,
                Ordering::Acquire,
            );
            if claimed.is_err() {
                spin_loop();
                continue;
            }
            if offset + 1 == SLOTS {
                let next = Box::into_raw(spare.expect("made above"));
                self.tail.block.store(next, Ordering::Release);
                self.tail
                    .position
                    .store(tail.wrapping_add(2 * STEP), Ordering::Release);
                // SAFETY: the block is alive: a slot of it is ours.
                unsafe { (*block).next.store(next, Ordering::Release) };
            }
            return (block, offset);
        }
    }

    /// Puts the first block there.
    #[cold]
    fn begin(&self, spare: &mut Option<Box<Block<T>>>) {
        let new = Box::into_raw(spare.take().unwrap_or_else(Block::new));
        let begun = self.tail.block.compare_exchange(
            ptr::null_mut(),
            new,
            Ordering::Release,
            Ordering::Relaxed,
        );
        match begun {
            Ok(_) => self.head.block.store(new, Ordering::Release),
            // SAFETY: made above, and nobody else's.
            Err(_) => *spare = Some(unsafe { Box::from_raw(new) }),
        }
    }

    /// The slot of a reserved place, with its message written.
    ///
    /// # Safety
    ///
    /// The place is reserved, and has not been finished.
    #[inline]
    unsafe fn slot(&self, place: Place) -> &Slot<T> {
        // SAFETY: a block is alive until all its slots have been finished.
        let block = unsafe { &*place.block.cast::<Block<T>>() };
        let slot = &block.slots[(place.position / STEP) % LAP];
        slot.until_written();
        slot
    }

    /// The message is out.
    ///
    /// # Safety
    ///
    /// As for [`List::slot`]; it is finished by this.
    #[inline]
    unsafe fn finish(&self, place: Place, slot: &Slot<T>) {
        let block = place.block.cast::<Block<T>>().cast_mut();
        let offset = (place.position / STEP) % LAP;
        if offset + 1 == SLOTS {
            // SAFETY: the block's last slot has been read, by us.
            unsafe { Block::free(block, 0) };
        } else if slot.state.fetch_or(READ, Ordering::AcqRel) & LEFT != 0 {
            // SAFETY: whoever began to free it has left this slot, and what comes after it, to us.
            unsafe { Block::free(block, offset + 1) };
        }
    }
}

impl<T> Store for List<T> {
    type Message = T;

    /// There is always room, and nothing is kept for anyone.
    #[inline]
    fn claim(&self) -> Option<Place> {
        Some(Place {
            block: ptr::null(),
            position: 0,
        })
    }

    #[inline(always)]
    unsafe fn fill(&self, _: Place, message: *const T) {
        let (block, offset) = self.next_slot();
        // SAFETY: the block is alive as long as a slot of it is not read, and this one is ours until it is written.
        let slot = unsafe { &(*block).slots[offset] };
        // SAFETY: as above.
        slot.message
            .with_mut(|at| unsafe { at.cast::<T>().copy_from_nonoverlapping(message, 1) });
        // Release publishes the message to the receiver's acquire.
        slot.state.fetch_or(WRITTEN, Ordering::Release);
    }

    unsafe fn give_up(&self, _: Place) {}

    #[inline]
    fn reserve(&self) -> Option<Found> {
        let mut patience = Spinning::default();
        loop {
            let head = self.head.position.load(Ordering::Acquire);
            let block = self.head.block.load(Ordering::Acquire);
            let offset = (head / STEP) % LAP;
            if offset == SLOTS {
                // The next block is being put there.
                patience.spin();
                continue;
            }
            let mut next = head.wrapping_add(STEP);
            if next & NOT_LAST == 0 {
                // Pairs with the fences of those who send and receive: what they saw there, we see.
                fence(Ordering::SeqCst);
                let tail = self.tail.position.load(Ordering::Relaxed);
                if head / STEP == tail / STEP {
                    return None;
                }
                if (head / STEP) / LAP != (tail / STEP) / LAP {
                    next |= NOT_LAST;
                }
            }
            if block.is_null() {
                // The first block is being put there.
                patience.spin();
                continue;
            }
            let reserved = self.head.position.compare_exchange_weak(
                head,
                next,
                Ordering::SeqCst,
                Ordering::Acquire,
            );
            if reserved.is_err() {
                spin_loop();
                continue;
            }
            if offset + 1 == SLOTS {
                // SAFETY: the block is alive: a slot of it is ours.
                let following = unsafe { (*block).next() };
                let mut position = (next & !NOT_LAST).wrapping_add(STEP);
                // SAFETY: it is alive as well: nobody gets there before `head` does.
                if !unsafe { (*following).next.load(Ordering::Relaxed) }.is_null() {
                    position |= NOT_LAST;
                }
                self.head.block.store(following, Ordering::Release);
                self.head.position.store(position, Ordering::Release);
            }
            return Some(Found::Message(Place {
                block: block.cast_const().cast(),
                position: head,
            }));
        }
    }

    #[inline(always)]
    unsafe fn take(&self, place: Place, into: *mut T) {
        // SAFETY: as the caller says.
        let slot = unsafe { self.slot(place) };
        // SAFETY: a message has been written, and is the caller's alone.
        slot.message
            .with_mut(|at| unsafe { into.copy_from_nonoverlapping(at.cast(), 1) });
        // SAFETY: as the caller says.
        unsafe { self.finish(place, slot) };
    }

    unsafe fn discard(&self, place: Place) {
        // SAFETY: as the caller says.
        let slot = unsafe { self.slot(place) };
        let mut panics = Panics::default();
        // SAFETY: as in `take`.
        panics.catch(|| unsafe { slot.drop_message() });
        // SAFETY: as the caller says.
        unsafe { self.finish(place, slot) };
        panics.resume();
    }

    fn has_room(&self) -> bool {
        true
    }

    fn has_message(&self) -> bool {
        let head = self.head.position.load(Ordering::SeqCst);
        let tail = self.tail.position.load(Ordering::SeqCst);
        head / STEP != tail / STEP
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.position.load(Ordering::SeqCst) / STEP;
            let head = self.head.position.load(Ordering::SeqCst) / STEP;
            if self.tail.position.load(Ordering::SeqCst) / STEP == tail {
                return slots_before(tail).wrapping_sub(slots_before(head));
            }
        }
    }

    fn capacity(&self) -> Option<usize> {
        None
    }
}

/// So many positions before this one are slots.
fn slots_before(position: usize) -> usize {
    position - position / LAP
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        while let Some(Found::Message(place)) = self.reserve() {
            // SAFETY: reserved just now.
            panics.catch(|| unsafe { self.discard(place) });
        }
        let block = self.head.block.load(Ordering::Relaxed);
        if !block.is_null() {
            // SAFETY: nobody else is there, and `head` has come to the last block.
            drop(unsafe { Box::from_raw(block) });
        }
        panics.resume();
    }
}

/// A cell for a message needs nothing done.
#[cfg(not(greenhub_loom))]
unsafe fn init_cell<T>(_: *mut UnsafeCell<MaybeUninit<T>>) {}

/// Loom's cells do.
#[cfg(greenhub_loom)]
unsafe fn init_cell<T>(at: *mut UnsafeCell<MaybeUninit<T>>) {
    // SAFETY: the caller's is valid for writes.
    unsafe { at.write(UnsafeCell::new(MaybeUninit::uninit())) };
}

/// Waits for a step that another is in the middle of.
#[derive(Default)]
struct Spinning(u32);

impl Spinning {
    #[cold]
    fn spin(&mut self) {
        if self.0 < 6 {
            (0..1 << self.0).for_each(|_| spin_loop());
            self.0 += 1;
        } else {
            thread::yield_now();
        }
    }
}
