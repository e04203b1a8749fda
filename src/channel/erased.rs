//! A value whose type only its maker and its taker know.

use std::mem::{MaybeUninit, align_of, size_of};

/// So many words need no allocation.
const WORDS: usize = 4;

type Words = [MaybeUninit<usize>; WORDS];

/// Some value, in place if it is small, in a box otherwise. Dropped like any other.
pub(super) struct Erased {
    words: Words,
    drop: unsafe fn(&mut Words),
}

impl Erased {
    /// Holds `value`.
    pub(super) fn new<V>(value: V) -> Erased {
        if fits::<V>() {
            Erased::in_place(value)
        } else {
            Erased::in_place(Box::new(value))
        }
    }

    fn in_place<V>(value: V) -> Erased {
        let mut words = [MaybeUninit::uninit(); WORDS];
        // SAFETY: it fits, in size and alignment.
        unsafe { words.as_mut_ptr().cast::<V>().write(value) };
        Erased {
            words,
            // SAFETY: called once, by `drop`, on the words that hold the value.
            drop: |words| unsafe { words.as_mut_ptr().cast::<V>().drop_in_place() },
        }
    }

    /// The value.
    ///
    /// # Safety
    ///
    /// It must be a `V`.
    pub(super) unsafe fn into<V>(self) -> V {
        // SAFETY: the caller says so.
        unsafe {
            if fits::<V>() {
                self.out_of_place::<V>()
            } else {
                *self.out_of_place::<Box<V>>()
            }
        }
    }

    unsafe fn out_of_place<V>(self) -> V {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: the caller knows the type; nobody else will use or drop the words.
        unsafe { this.words.as_ptr().cast::<V>().read() }
    }
}

impl Drop for Erased {
    fn drop(&mut self) {
        // SAFETY: the words hold the value that the function was made for.
        unsafe { (self.drop)(&mut self.words) };
    }
}

const fn fits<V>() -> bool {
    size_of::<V>() <= size_of::<Words>() && align_of::<V>() <= align_of::<Words>()
}
