//! One stack: how large it may be, how it lies in memory, and the handle that owns it.
//!
//! Every stack fills one slot of a slab:
//!
//! ```text
//!  lower addresses                                                        higher addresses
//!  ├─ one page ─┼──────────────── size ─────────────────────────────────────┤
//!  │   guard    │  grows downwards  ◄──────────────────────────┤  stagger   │ next slot's guard …
//!  └────────────┴──────────────────────────────────────────────┴────────────┘
//!             bottom                                          base         top
//! ```
//!
//! A slot is a page longer than the power of two that it holds. Were it a power of two itself, the top pages of all
//! stacks would compete for the same few sets of the TLB, and their page table entries for the same sets of the
//! caches. The *stagger* does for the cache what the odd page does for the TLB: it spreads the bases over half a
//! page, so that the first frames of neighbours fall into different cache sets, and yet leaves every stack
//! more than 2 KiB of its topmost page. A greenlet that sleeps in a shallow frame costs that one page.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;

use crate::primitive::sync::OnceLock;

/// Bytes in a KiB, for messages and limits.
pub(super) const KIB: usize = 1024;

/// Bases of neighbouring stacks differ by a multiple of this: two cache lines, since processors fetch them in pairs.
const STAGGER_STEP: usize = 128;

/// After so many stacks the stagger starts again at zero. Steps times step must stay well below the smallest page.
const STAGGER_STEPS: usize = 16;

/// The size of a page of this machine.
///
/// Asked once. After that the answer is a plain load, which a signal handler may do too.
pub(super) fn page_size() -> usize {
    static PAGE_SIZE: OnceLock<usize> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *PAGE_SIZE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize)
}

/// A stack size that has been checked, and rounded up to a power of two so that there are few different ones.
///
/// Rounding up costs address space only: memory is used page by page, as a stack grows into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StackSize {
    /// The size is two to this power.
    log2: u8,
}

impl StackSize {
    /// The least that may be asked for.
    pub(crate) const LEAST: usize = 16 * KIB;
    /// The smallest stack there is: what a panic with a backtrace needs, from within a few dozen frames. Measured on x86-64, in debug
    /// and release, with `RUST_BACKTRACE` at 1 and at full: 22.5 KiB for the first of a process, in which std reads the
    /// program's debug information (10 KiB for later ones, 2.5 KiB without a backtrace), and 31 KiB where it has deeply nested
    /// types to name. Below that a panic would end as an overflow, and the process with it.
    pub(crate) const MIN: usize = 64 * KIB;
    /// The largest stack there is.
    pub(crate) const MAX: usize = 1 << 30;
    /// What a greenlet gets if nobody asks for anything else: 256 KiB.
    pub(crate) const DEFAULT: StackSize = StackSize { log2: 18 };

    /// How many sizes there are.
    pub(super) const CLASSES: usize = (Self::MAX.ilog2() - Self::MIN.ilog2() + 1) as usize;

    /// Checks `bytes` against the limits and rounds it up.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `bytes` is below [`StackSize::LEAST`] or above [`StackSize::MAX`].
    pub(crate) fn new(bytes: usize) -> io::Result<StackSize> {
        if !(Self::LEAST..=Self::MAX).contains(&bytes) {
            return Err(out_of_limits(bytes));
        }
        let log2 = bytes.max(Self::MIN).next_power_of_two().ilog2() as u8;
        Ok(StackSize { log2 })
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> usize {
        1 << self.log2
    }

    /// The number of this size among all sizes, smallest first, below [`StackSize::CLASSES`].
    pub(super) const fn class(self) -> usize {
        (self.log2 as usize) - Self::MIN.ilog2() as usize
    }

    /// The size with number `class`.
    pub(super) const fn of_class(class: usize) -> StackSize {
        debug_assert!(class < Self::CLASSES);
        StackSize {
            log2: (class + Self::MIN.ilog2() as usize) as u8,
        }
    }

    /// Bytes from a slot's bottom to its top: the size, but never less than a page.
    pub(super) fn usable(self) -> usize {
        self.bytes().max(page_size())
    }

    /// Bytes from one slot to the next: the guard's page and what lies above it.
    pub(super) fn stride(self) -> usize {
        page_size() + self.usable()
    }
}

#[cold]
#[inline(never)]
fn out_of_limits(bytes: usize) -> io::Error {
    let least = StackSize::LEAST / KIB;
    let max = StackSize::MAX / KIB;
    let text =
        format!("a stack of {bytes} bytes is outside of the limits: {least} KiB to {max} KiB");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The right to use one stack. Whoever holds it is its only user.
///
/// It comes from a [`StackCache`](super::StackCache) and must go back to one of the same pool: dropped instead, the
/// stack is lost to its pool, which will then keep its slab mapped for ever rather than pull it away from somebody.
///
/// One word, so that it travels in a register.
#[derive(PartialEq, Eq)]
#[must_use = "a stack that is not put back is lost to its pool"]
pub(crate) struct Stack {
    /// Where it lies.
    place: Place,
}

impl Stack {
    /// The handle for the stack whose slot ends at `top` and is the one with number `slot` in its slab.
    ///
    /// # Safety
    ///
    /// The slot must be mapped and guarded, `top` its end, and no other handle to it may exist.
    pub(super) unsafe fn new(top: usize, slot: u16, size: StackSize) -> Stack {
        let stagger = usize::from(slot) % STAGGER_STEPS * STAGGER_STEP;
        let word = NonZeroUsize::new((top - stagger) | usize::from(size.log2));
        let word = word.expect("a size is not zero");
        Stack {
            place: Place { word },
        }
    }

    /// The size that was asked for.
    #[inline]
    pub(crate) fn size(&self) -> StackSize {
        self.place.size()
    }

    /// Where the stack and its guard lie. Safe to ask from a signal handler.
    pub(crate) fn bounds(&self) -> StackBounds {
        self.place.bounds()
    }

    /// Where the stack lies, in short.
    #[inline]
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Gives the memory of all pages but the topmost back to the system. The next use finds zeroes there.
    pub(super) fn trim(&mut self) {
        let bottom = self.bounds().bottom;
        let length = self.size().usable() - page_size();
        // SAFETY: the pages belong to this stack, and nobody runs on it: the caller holds its handle.
        unsafe { libc::madvise(bottom as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Where a stack lies, in a word. Bases being multiples of [`STAGGER_STEP`], the bits below hold the size; and as
/// the stagger is less than a page, the top of the slot is the next page boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The base, and below it the binary logarithm of the size.
    word: NonZeroUsize,
}

/// The bits of a [`Place`]'s word that hold the size.
const SIZE_BITS: usize = STAGGER_STEP - 1;

impl Place {
    /// The place that `word` says, which may be anything: `None` if it cannot be one.
    pub(super) fn from_word(word: usize) -> Option<Place> {
        let log2 = (word & SIZE_BITS) as u32;
        let is_size = (StackSize::MIN.ilog2()..=StackSize::MAX.ilog2()).contains(&log2);
        // Far from both ends of the address space, so that no bound of the stack lies beyond.
        let is_address = (2 * StackSize::MAX..usize::MAX / 2).contains(&word);
        (is_size && is_address).then_some(Place {
            word: NonZeroUsize::new(word)?,
        })
    }

    /// The size that was asked for.
    #[inline]
    fn size(self) -> StackSize {
        StackSize {
            log2: (self.word.get() & SIZE_BITS) as u8,
        }
    }

    /// Where the first frame begins.
    #[inline]
    pub(super) fn base(self) -> usize {
        self.word.get() & !SIZE_BITS
    }

    /// Where everything lies.
    pub(super) fn bounds(self) -> StackBounds {
        let size = self.size();
        let base = self.base();
        let bottom = base.next_multiple_of(page_size()) - size.usable();
        StackBounds {
            guard: bottom - page_size(),
            bottom,
            base,
            size: size.bytes(),
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.bounds()).finish()
    }
}

/// Where a stack lies; see the picture at the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackBounds {
    /// The lowest address of the guard, which ends at `bottom`.
    pub(crate) guard: usize,
    /// The lowest address that may be used.
    pub(crate) bottom: usize,
    /// Where the first frame begins: the end of what may be used.
    pub(crate) base: usize,
    /// The size that was asked for, in bytes.
    pub(crate) size: usize,
}

impl StackBounds {
    /// Whether touching `address` means that the stack has overflowed.
    pub(crate) fn is_guard(&self, address: usize) -> bool {
        (self.guard..self.bottom).contains(&address)
    }

    /// Whether `address` lies on the stack.
    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.bottom..self.base).contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        for (asked, given) in [
            (16 << 10, 64 << 10),
            (16385, 64 << 10),
            (64 << 10, 64 << 10),
            (65537, 128 << 10),
            (200_000, 256 << 10),
            (1 << 30, 1 << 30),
        ] {
            assert_eq!(StackSize::new(asked).unwrap().bytes(), given);
        }
        assert_eq!(StackSize::DEFAULT.bytes(), 256 << 10);
        for class in 0..StackSize::CLASSES {
            assert_eq!(StackSize::of_class(class).class(), class);
        }
        assert_eq!(
            StackSize::new(StackSize::MAX).unwrap().class(),
            StackSize::CLASSES - 1
        );
    }

    #[test]
    fn sizes_out_of_limits_are_refused_by_name() {
        for bytes in [0, StackSize::LEAST - 1, StackSize::MAX + 1, usize::MAX] {
            let error = StackSize::new(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains(&bytes.to_string()) && text.contains("16 KiB to 1048576 KiB"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_handle_is_one_word_and_its_bounds_fit_the_slot() {
        assert_eq!(size_of::<Stack>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Stack>>(), size_of::<usize>());
        let top = 0x1000_0000;
        for slot in 0..40 {
            // SAFETY: only the arithmetic of the handle is looked at.
            let stack = unsafe { Stack::new(top, slot, StackSize::DEFAULT) };
            let bounds = stack.bounds();
            assert_eq!(bounds.base, top - usize::from(slot % 16) * 128);
            assert_eq!(bounds.bottom, top - (256 << 10));
            assert_eq!(bounds.guard, bounds.bottom - page_size());
            assert_eq!(bounds.size, 256 << 10);
            assert!(bounds.is_guard(bounds.bottom - 1) && bounds.is_guard(bounds.guard));
            assert!(!bounds.is_guard(bounds.bottom) && !bounds.is_guard(bounds.guard - 1));
            assert!(bounds.contains(bounds.bottom) && !bounds.contains(bounds.base));
        }
    }
}
