//! All stacks of one size: which to hand out next, and what to give back to the system.
//!
//! **Handing out.** A stack that was used before comes first, since its top page is there already, and of those one
//! in the slab with the highest address: mostly the oldest, as systems map downwards, but any fixed order would do.
//! So the slabs first in this order stay busy while the others drain, and a slab whose stacks have all come back can
//! be unmapped.
//!
//! **Giving back.** Up to the *high-water mark*, stacks are kept as they are: whoever has needed them may need them
//! again, and touching fresh pages costs far more than anything else here. Above it,
//!
//! 1. a stack that comes back loses all its pages but the topmost, which the next use would touch first of all, and
//! 2. a slab that has all its stacks back, and that the mark can do without, is unmapped.
//!
//! The first keeps one greenlet's deep recursion from being paid for ever, the second brings the process back to
//! where it began. Both happen outside of the lock, and a stack pays for each at most once a use. A slab that became
//! whole below the mark stays, so what is kept for no use is the mark and at most one slab more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::Mutex;

use super::guard::Guard;
use super::slab::{Slab, next_slots};
use super::stack::{KIB, Stack, StackSize};

/// The most stacks of one size that are kept with all their pages.
const HIGH_WATER_STACKS: usize = 1024;

/// The most address space that stacks of one size may span that are kept with all their pages.
const HIGH_WATER_BYTES: usize = 256 << 20;

/// All stacks of one size.
#[derive(Debug)]
pub(super) struct SizeClass {
    /// How large they are.
    size: StackSize,
    /// How they are guarded.
    guard: Guard,
    /// How many may lie here with all their pages.
    high_water: usize,
    /// Stacks that have been carved and are still mapped, wherever they are. Written under the lock.
    mapped: AtomicUsize,
    /// Stacks that lie here. Written under the lock.
    pooled: AtomicUsize,
    /// Where they lie.
    slabs: Mutex<Slabs>,
}

impl SizeClass {
    /// A class without any stack yet.
    pub(super) fn new(size: StackSize, guard: Guard) -> SizeClass {
        SizeClass {
            size,
            guard,
            high_water: (HIGH_WATER_BYTES / size.bytes()).min(HIGH_WATER_STACKS),
            mapped: AtomicUsize::new(0),
            pooled: AtomicUsize::new(0),
            slabs: Mutex::new(Slabs::default()),
        }
    }

    /// Stacks that have been carved and are still mapped.
    pub(super) fn mapped(&self) -> usize {
        self.mapped.load(Ordering::Relaxed)
    }

    /// Stacks that lie here.
    pub(super) fn pooled(&self) -> usize {
        self.pooled.load(Ordering::Relaxed)
    }

    /// Hands out one stack, and puts up to `spares` more that were used before into `spare`, the warmest last.
    ///
    /// # Errors
    ///
    /// When no stack lies here, and none can be mapped or guarded.
    pub(super) fn take(&self, spares: usize, spare: &mut Vec<Stack>) -> io::Result<Stack> {
        let mut slabs = self.slabs.lock();
        let Some(first) = slabs.pop() else {
            let stack = slabs
                .carve(self.size, self.guard)
                .map_err(|cause| self.explain(&cause))?;
            self.mapped.fetch_add(1, Ordering::Relaxed);
            return Ok(stack);
        };
        let held = spare.len();
        spare.extend(std::iter::from_fn(|| slabs.pop()).take(spares));
        spare[held..].reverse();
        self.pooled
            .fetch_sub(1 + spare.len() - held, Ordering::Relaxed);
        Ok(first)
    }

    /// So many stacks lie here that those which come back will hardly be needed soon.
    pub(super) fn trims(&self) -> bool {
        self.pooled() >= self.high_water
    }

    /// Trims stacks that are about to be put back, if so many lie here already.
    pub(super) fn trim(&self, stacks: &mut [Stack]) {
        if self.trims() {
            stacks.iter_mut().for_each(Stack::trim);
        }
    }

    /// Takes stacks back.
    pub(super) fn put(&self, stacks: impl Iterator<Item = Stack>) {
        let mut drained = Vec::new();
        let mut slabs = self.slabs.lock();
        for stack in stacks {
            let whole = slabs.push(stack);
            let pooled = self.pooled.fetch_add(1, Ordering::Relaxed) + 1;
            let spare = whole.filter(|(_, carved)| pooled - carved >= self.high_water);
            if let Some((start, carved)) = spare {
                drained.extend(slabs.remove(start));
                self.pooled.fetch_sub(carved, Ordering::Relaxed);
                self.mapped.fetch_sub(carved, Ordering::Relaxed);
            }
        }
        drop(slabs);
        drained.into_iter().for_each(|slab| self.unmap(slab));
    }

    /// Gives a slab back to the system, or keeps it if the system refuses.
    #[cold]
    #[inline(never)]
    fn unmap(&self, slab: Slab) {
        let carved = slab.carved();
        match slab.unmap() {
            Ok(()) => self.guard.forget(carved),
            Err(slab) => {
                let mut slabs = self.slabs.lock();
                self.pooled.fetch_add(carved, Ordering::Relaxed);
                self.mapped.fetch_add(carved, Ordering::Relaxed);
                slabs.adopt(slab);
            }
        }
    }

    /// Says what could not be had, and why.
    #[cold]
    #[inline(never)]
    fn explain(&self, cause: &io::Error) -> io::Error {
        let kib = self.size.bytes() / KIB;
        let mapped = self.mapped();
        let text = format!(
            "cannot map another greenlet stack of {kib} KiB ({mapped} are mapped): {cause}"
        );
        io::Error::new(cause.kind(), text)
    }
}

/// Unmaps every slab, except those of which a stack is still out: better to leak it than to pull it away.
impl Drop for SizeClass {
    fn drop(&mut self) {
        let table = std::mem::take(&mut self.slabs.lock().table);
        for slab in table.into_values() {
            let carved = slab.carved();
            debug_assert!(
                slab.is_whole() || std::thread::panicking(),
                "a stack has outlived its pool"
            );
            if slab.is_whole() && slab.unmap().is_ok() {
                self.guard.forget(carved);
            }
        }
    }
}

/// The slabs of one size. Each is known by its lowest address.
#[derive(Debug, Default)]
struct Slabs {
    /// All of them.
    table: BTreeMap<usize, Slab>,
    /// Those that have a used stack to hand out.
    warm: BTreeSet<usize>,
    /// The one that was carved from last, if it is still there.
    growing: Option<usize>,
    /// The room in all of them together.
    slots: usize,
}

impl Slabs {
    /// The used stack to hand out next.
    fn pop(&mut self) -> Option<Stack> {
        let start = *self.warm.last()?;
        let slab = self.slab(start);
        let stack = slab.pop();
        if !slab.has_free() {
            self.warm.remove(&start);
        }
        stack
    }

    /// Takes a stack back. Says which slab has all its stacks back now, if one has, and how many these are.
    fn push(&mut self, stack: Stack) -> Option<(usize, usize)> {
        let slab = self.slab(stack.bounds().guard);
        let (start, was_empty) = (slab.start(), !slab.has_free());
        slab.push(stack);
        let whole = slab.is_whole().then(|| (start, slab.carved()));
        if was_empty {
            self.warm.insert(start);
        }
        whole
    }

    /// Makes a stack that was never used before.
    #[cold]
    #[inline(never)]
    fn carve(&mut self, size: StackSize, guard: Guard) -> io::Result<Stack> {
        let start = match self
            .growing
            .filter(|start| self.slab(*start).has_uncarved())
        {
            Some(start) => start,
            None => self.grow(size)?,
        };
        self.growing = Some(start);
        self.slab(start).carve(guard)
    }

    /// Finds a slab to carve from, or maps one.
    fn grow(&mut self, size: StackSize) -> io::Result<usize> {
        if let Some(slab) = self.table.values().find(|slab| slab.has_uncarved()) {
            return Ok(slab.start());
        }
        let slab = Slab::map(size, next_slots(size, self.slots))?;
        Ok(self.adopt(slab))
    }

    /// Takes a slab in.
    fn adopt(&mut self, slab: Slab) -> usize {
        let start = slab.start();
        self.slots += slab.slots();
        if slab.has_free() {
            self.warm.insert(start);
        }
        self.table.insert(start, slab);
        start
    }

    /// Takes a slab out.
    fn remove(&mut self, start: usize) -> Option<Slab> {
        self.warm.remove(&start);
        self.growing = self.growing.filter(|growing| *growing != start);
        let slab = self.table.remove(&start)?;
        self.slots -= slab.slots();
        Some(slab)
    }

    /// The slab that `address` lies in.
    fn slab(&mut self, address: usize) -> &mut Slab {
        let below = self.table.range_mut(..=address).next_back();
        below
            .expect("a stack of this pool lies in one of its slabs")
            .1
    }
}

#[cfg(test)]
mod tests {
    use super::super::child;
    use super::super::guard::{Guards, MapBudget};
    use super::super::stack::page_size;
    use super::*;

    fn class(size: StackSize) -> SizeClass {
        SizeClass::new(size, Guards::Probe.settle(MapBudget::of_process()))
    }

    fn take(class: &SizeClass, count: usize) -> Vec<Stack> {
        let mut none = Vec::new();
        (0..count)
            .map(|_| class.take(0, &mut none).unwrap())
            .collect()
    }

    fn touch(stack: &Stack, below_base: usize) {
        let address = (stack.bounds().base - below_base) as *mut u8;
        // SAFETY: an address of a stack that nobody else uses.
        unsafe { address.write_volatile(1) };
    }

    /// Where a stack lies, in the order of handing out: in falling order.
    fn place(stack: &Stack) -> usize {
        stack.bounds().bottom
    }

    #[test]
    fn used_stacks_come_first_and_those_of_one_slab_before_those_of_others() {
        let class = class(StackSize::DEFAULT);
        let mut stacks = take(&class, 256);
        assert_eq!((class.mapped(), class.pooled()), (256, 0));
        stacks.sort_by_key(place);
        let (low, high) = (stacks.remove(0), stacks.pop().unwrap());
        let (low_place, high_place) = (place(&low), place(&high));
        class.put([high, low].into_iter());
        assert_eq!((class.mapped(), class.pooled()), (256, 2));
        let mut spare = Vec::new();
        let first = class.take(9, &mut spare).unwrap();
        assert_eq!((place(&first), class.pooled()), (high_place, 0));
        assert!(spare.iter().map(place).eq([low_place]));
        class.put(stacks.into_iter().chain(spare).chain([first]));
        assert_eq!((class.mapped(), class.pooled()), (256, 256));
    }

    #[test]
    fn spares_are_handed_out_warmest_last() {
        let class = class(StackSize::DEFAULT);
        let stacks = take(&class, 64);
        let order: Vec<_> = stacks.iter().map(place).collect();
        class.put(stacks.into_iter());
        let mut spare = Vec::new();
        let first = class.take(3, &mut spare).unwrap();
        assert_eq!(place(&first), order[63]);
        assert!(spare.iter().map(place).eq(order[60..63].iter().copied()));
        assert_eq!(class.pooled(), 60);
        class.put(spare.into_iter().chain([first]));
    }

    #[test]
    fn whole_slabs_above_high_water_are_unmapped() {
        let class = class(StackSize::DEFAULT);
        for _ in 0..3 {
            let stacks = take(&class, 8192);
            assert_eq!((class.mapped(), class.pooled()), (8192, 0));
            class.put(stacks.into_iter());
            let kept = class.pooled();
            assert_eq!(kept, class.mapped());
            let bound = HIGH_WATER_STACKS..HIGH_WATER_STACKS + 4096;
            assert!(bound.contains(&kept), "{kept} were kept");
        }
    }

    #[test]
    fn huge_stacks_are_not_kept_at_all() {
        let class = class(StackSize::new(StackSize::MAX).unwrap());
        let stacks = take(&class, 3);
        assert_eq!(class.mapped(), 3);
        class.put(stacks.into_iter());
        assert_eq!((class.mapped(), class.pooled()), (0, 0));
    }

    #[test]
    fn above_high_water_only_the_top_page_stays() {
        child::run_to_end(
            "fiber::class::tests::above_high_water_only_the_top_page_stays",
            || {
                let class = class(StackSize::DEFAULT);
                let pinned = take(&class, 64 + 64 + 128 + 256 + 512 + 1024 + 1024);
                let mut deep = take(&class, 1024);
                class.put(pinned.into_iter());
                let before = child::resident();
                for stack in &deep {
                    (0..32).for_each(|page| touch(stack, page * page_size() + 8));
                }
                assert!(child::resident() >= before + 31 * 1024 * page_size());
                class.trim(&mut deep);
                let after = child::resident();
                assert!(
                    after <= before + 1100 * page_size(),
                    "{} KiB were kept",
                    (after - before) / KIB
                );
                class.put(deep.into_iter());
            },
        );
    }
}
