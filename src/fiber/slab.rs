//! One mapping, cut into equal stacks.
//!
//! Slots are carved from the front: carving a slot guards it, once, and makes a stack of it. A stack that comes back
//! stays carved; the slab remembers its number in a list and hands it out again, the latest first.

use std::io;

use super::guard::Guard;
use super::stack::{Stack, StackSize, page_size};

/// The most stacks that one slab holds. Their numbers must fit a `u16`.
const MAX_SLOTS: usize = 4096;

/// The most address space that one slab takes (guards not counted), unless a single stack is as large.
const MAX_BYTES: usize = 1 << 30;

/// The most address space that the first slab takes, so that a small program stays small.
const FIRST_BYTES: usize = 16 << 20;

/// Address space that a slab must leave to others. Without it, stacks would take the last byte below a limit, and the
/// next allocation would end the process before anybody could say why.
const HEADROOM: usize = 16 << 20;

/// How many stacks of `size` the next slab should hold, if there are `slots` already: as many again, within limits.
pub(super) fn next_slots(size: StackSize, slots: usize) -> usize {
    let most = (MAX_BYTES / size.bytes()).clamp(1, MAX_SLOTS);
    let first = (FIRST_BYTES / size.bytes()).clamp(1, 64);
    slots.clamp(first, most)
}

/// One mapping of equal stacks.
#[derive(Debug)]
pub(super) struct Slab {
    /// The lowest address.
    start: usize,
    /// How large its stacks are.
    size: StackSize,
    /// How many stacks there is room for.
    slots: usize,
    /// How many stacks have been carved: those below this number.
    carved: usize,
    /// Carved stacks that are here, the latest to come back last.
    free: Vec<u16>,
}

impl Slab {
    /// Maps a slab of up to `slots` stacks: fewer if there is no room for so many.
    ///
    /// # Errors
    ///
    /// What `mmap` says if there is no room for even one.
    pub(super) fn map(size: StackSize, mut slots: usize) -> io::Result<Slab> {
        loop {
            match map_memory(slots * size.stride()) {
                Ok(start) => {
                    return Ok(Slab {
                        start,
                        size,
                        slots,
                        carved: 0,
                        free: Vec::new(),
                    });
                }
                Err(error) if slots == 1 => return Err(error),
                Err(_) => slots /= 2,
            }
        }
    }

    /// How many stacks there is room for.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// How many stacks have been carved.
    pub(super) fn carved(&self) -> usize {
        self.carved
    }

    /// Whether a stack could still be carved.
    pub(super) fn has_uncarved(&self) -> bool {
        self.carved < self.slots
    }

    /// Whether a carved stack is here.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether every stack that was ever carved is here.
    pub(super) fn is_whole(&self) -> bool {
        self.free.len() == self.carved
    }

    /// The lowest address.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Hands out the stack that came back last.
    pub(super) fn pop(&mut self) -> Option<Stack> {
        let slot = self.free.pop()?;
        // SAFETY: the slot was carved, and its number was in the list, so no handle to it is about.
        Some(unsafe { self.stack(slot) })
    }

    /// Takes a stack back.
    ///
    /// # Panics
    ///
    /// If the stack is not from this slab. Only a mix-up of pools could do that, and going on would give one stack
    /// to two greenlets.
    pub(super) fn push(&mut self, stack: Stack) {
        let distance = stack.bounds().guard.wrapping_sub(self.start);
        let slot = distance / self.size.stride();
        let ours = distance % self.size.stride() == 0 && slot < self.carved;
        assert!(
            ours && stack.size() == self.size,
            "a stack was put back into a foreign pool"
        );
        self.free.push(slot as u16);
    }

    /// Carves one more stack and hands it out. There must be room: see [`Slab::has_uncarved`].
    ///
    /// # Errors
    ///
    /// What installing the guard says. The slab is as it was then.
    pub(super) fn carve(&mut self, guard: Guard) -> io::Result<Stack> {
        assert!(self.has_uncarved(), "nothing is left to carve");
        let slot = self.carved as u16;
        // SAFETY: the slot is mapped, and as it was never carved, nobody uses it.
        unsafe { guard.install(self.slot_start(slot))? };
        self.carved += 1;
        // SAFETY: the slot is guarded now, and this is its first handle.
        Ok(unsafe { self.stack(slot) })
    }

    /// Unmaps the slab, which must be whole: no stack of it may be in use.
    ///
    /// # Errors
    ///
    /// The slab itself, emptied of memory but still mapped, if the system refuses: to unmap the middle of what it
    /// sees as one mapping, it needs one mapping more, and the process may have none left.
    pub(super) fn unmap(self) -> Result<(), Slab> {
        assert!(
            self.is_whole(),
            "a slab whose stacks are in use cannot be unmapped"
        );
        let start = self.start as *mut libc::c_void;
        let length = self.slots * self.size.stride();
        // SAFETY: the mapping is this slab's own, and no stack of it is in use.
        if unsafe { libc::munmap(start, length) } == 0 {
            return Ok(());
        }
        // SAFETY: as above. Guards stay: they are not memory.
        unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
        Err(self)
    }

    /// The handle for `slot`.
    ///
    /// # Safety
    ///
    /// The slot must be carved, and no other handle to it may exist.
    unsafe fn stack(&self, slot: u16) -> Stack {
        let top = self.slot_start(slot) + self.size.stride();
        // SAFETY: passed on.
        unsafe { Stack::new(top, slot, self.size) }
    }

    /// Where `slot` begins: the address of its guard.
    fn slot_start(&self, slot: u16) -> usize {
        self.start + usize::from(slot) * self.size.stride()
    }
}

/// Maps `length` bytes that take no memory until they are touched, and never huge pages; if there is room for them
/// and [`HEADROOM`] more.
fn map_memory(length: usize) -> io::Result<usize> {
    debug_assert_eq!(length % page_size(), 0);
    if !leaves_headroom(length) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    let start = map_anywhere(length)?;
    refuse_huge_pages(start, length);
    Ok(start as usize)
}

/// After `length` bytes more the process is still [`HEADROOM`] below its limit of address space, if it has one.
fn leaves_headroom(length: usize) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: it fills in the structure. If it fails, there is no limit to be respected.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    if limit.rlim_cur == libc::RLIM_INFINITY {
        return true;
    }
    let limit = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX);
    address_space_in_use().is_none_or(|used| limit.saturating_sub(used) >= length + HEADROOM)
}

/// How many bytes of address space the process has mapped, where the system tells.
fn address_space_in_use() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').next()?.parse().ok()?;
    Some(pages * page_size())
}

/// Maps `length` bytes.
fn map_anywhere(length: usize) -> io::Result<*mut libc::c_void> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, access, map_flags(), -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(start)
}

/// The flags of a slab's mapping. All slabs have the same, so the kernel merges neighbours into one mapping.
#[cfg(target_os = "linux")]
fn map_flags() -> libc::c_int {
    libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_STACK
}

/// The flags of a slab's mapping: what every Unix has.
#[cfg(not(target_os = "linux"))]
fn map_flags() -> libc::c_int {
    libc::MAP_PRIVATE | libc::MAP_ANON
}

/// Asks for small pages only: one touched byte must not cost 64 KiB, nor 2 MiB. Since Linux 6.7 `MAP_STACK` says so
/// already. As the whole mapping is advised, and every slab is, it splits nothing.
#[cfg(target_os = "linux")]
fn refuse_huge_pages(start: *mut libc::c_void, length: usize) {
    // SAFETY: advice about a mapping of our own, which changes none of its contents. It may fail: a kernel without
    // huge pages does not know it.
    unsafe { libc::madvise(start, length, libc::MADV_NOHUGEPAGE) };
}

/// Huge pages that come unasked are Linux's alone.
#[cfg(not(target_os = "linux"))]
fn refuse_huge_pages(_start: *mut libc::c_void, _length: usize) {}

#[cfg(test)]
mod tests {
    use super::super::guard::{Guards, MapBudget};
    use super::*;

    /// What works on every kernel.
    fn protection() -> Guard {
        Guards::Protection.settle(MapBudget::of_process())
    }

    #[test]
    fn slabs_grow_geometrically_within_limits() {
        let of = |bytes, slots| next_slots(StackSize::new(bytes).unwrap(), slots);
        let mut slots = 0;
        let grown: Vec<_> = (0..9)
            .map(|_| {
                let next = of(256 << 10, slots);
                slots += next;
                next
            })
            .collect();
        assert_eq!(grown, [64, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
        assert_eq!((of(64 << 10, 0), of(64 << 10, 100_000)), (64, 4096));
        assert_eq!((of(64 << 20, 0), of(64 << 20, 100_000)), (1, 16));
        assert_eq!((of(1 << 30, 0), of(1 << 30, 100_000)), (1, 1));
    }

    #[test]
    fn reuse_is_last_in_first_out_and_tops_are_staggered() {
        let mut slab = Slab::map(StackSize::DEFAULT, 32).unwrap();
        let stacks: Vec<_> = (0..32).map(|_| slab.carve(protection()).unwrap()).collect();
        assert!(!slab.has_uncarved() && !slab.has_free());
        for pair in stacks.windows(2) {
            let (one, next) = (pair[0].bounds(), pair[1].bounds());
            assert!(
                one.base <= next.guard,
                "a slot reaches into the next one's guard"
            );
            let step = (next.base - one.base) as isize - StackSize::DEFAULT.stride() as isize;
            assert!(step == -128 || step == 15 * 128, "{step}");
            assert!(
                one.base % page_size() == 0 || one.base % page_size() > 2048,
                "little room on top"
            );
        }
        let order: Vec<_> = stacks.iter().map(Stack::bounds).collect();
        stacks.into_iter().for_each(|stack| slab.push(stack));
        assert!(slab.is_whole());
        let again: Vec<_> = std::iter::from_fn(|| slab.pop()).collect();
        assert!(again.iter().map(Stack::bounds).eq(order.into_iter().rev()));
        again.into_iter().for_each(|stack| slab.push(stack));
        protection().forget(slab.carved());
        slab.unmap().unwrap();
    }

    #[test]
    #[should_panic(expected = "foreign pool")]
    fn a_foreign_stack_is_refused() {
        let mut one = Slab::map(StackSize::DEFAULT, 2).unwrap();
        let mut two = Slab::map(StackSize::DEFAULT, 2).unwrap();
        let stack = one.carve(protection()).unwrap();
        two.push(stack);
    }
}
