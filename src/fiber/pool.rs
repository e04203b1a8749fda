//! A runtime's stacks, of every size.

use std::io;
use std::slice;

use crate::primitive::atomic::{AtomicBool, Ordering};

use super::class::SizeClass;
use super::guard::{Guards, MapBudget};
use super::stack::{Stack, StackSize};

/// All stacks of a runtime that no hub holds, and the slabs that all of them lie in.
///
/// Each size has its slabs behind a lock of its own. Hubs come here through a [`StackCache`](super::StackCache)
/// only, which for the default size makes it a matter of once in a hundred.
///
/// When the pool is dropped, all stacks must have come back: it unmaps its slabs. One with a stack still out it
/// leaves alone, and asserts in debug builds.
#[derive(Debug)]
pub(crate) struct StackPool {
    /// The size that greenlets get unless they ask for another.
    default_size: StackSize,
    /// The stacks, by number of their size.
    classes: [SizeClass; StackSize::CLASSES],
    /// Whether the last attempt to hand out a stack failed. Relaxed: a hint, which orders nothing.
    exhausted: AtomicBool,
}

impl StackPool {
    /// A pool that has mapped nothing yet.
    pub(crate) fn new(default_size: StackSize, guards: Guards) -> StackPool {
        StackPool::within(default_size, guards, MapBudget::of_process())
    }

    /// A pool whose guards, if they are by protection, draw on `budget`.
    fn within(default_size: StackSize, guards: Guards, budget: &'static MapBudget) -> StackPool {
        let guard = guards.settle(budget);
        StackPool {
            default_size,
            classes: std::array::from_fn(|class| SizeClass::new(StackSize::of_class(class), guard)),
            exhausted: AtomicBool::new(false),
        }
    }

    /// The size that greenlets get unless they ask for another.
    pub(crate) fn default_size(&self) -> StackSize {
        self.default_size
    }

    /// How many stacks lie here. Those in caches are not counted.
    #[cfg(test)]
    pub(crate) fn pooled(&self) -> usize {
        self.classes.iter().map(SizeClass::pooled).sum()
    }

    /// How many stacks there are: in use, in caches, and here.
    pub(crate) fn mapped(&self) -> usize {
        self.classes.iter().map(SizeClass::mapped).sum()
    }

    /// Whether the last call for a stack could not be met, for want of memory or mappings. The next one that is met
    /// clears it; so it may well have become possible since.
    pub(crate) fn exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Hands out a stack, and puts up to `spares` more of the same size that were used before into `spare`.
    ///
    /// # Errors
    ///
    /// When none lies here, and none can be mapped or guarded.
    pub(crate) fn take(
        &self,
        size: StackSize,
        spares: usize,
        spare: &mut Vec<Stack>,
    ) -> io::Result<Stack> {
        let outcome = self.classes[size.class()].take(spares, spare);
        if outcome.is_err() != self.exhausted() {
            self.exhausted.store(outcome.is_err(), Ordering::Relaxed);
        }
        outcome
    }

    /// Takes one stack back, of whatever size.
    pub(crate) fn put(&self, mut stack: Stack) {
        let class = &self.classes[stack.size().class()];
        class.trim(slice::from_mut(&mut stack));
        class.put(std::iter::once(stack));
    }

    /// So many stacks of the default size lie here that those which come back are trimmed.
    pub(super) fn trims_default(&self) -> bool {
        self.classes[self.default_size.class()].trims()
    }

    /// Takes the first `count` of `stacks` back, which are all of the default size.
    pub(super) fn put_first(&self, stacks: &mut Vec<Stack>, count: usize) {
        let class = &self.classes[self.default_size.class()];
        class.trim(&mut stacks[..count]);
        class.put(stacks.drain(..count));
    }
}

#[cfg(test)]
mod tests {
    use super::super::child;
    use super::super::stack::page_size;
    use super::*;

    fn take(pool: &StackPool, size: StackSize) -> io::Result<Stack> {
        pool.take(size, 0, &mut Vec::new())
    }

    /// Whether this kernel has guards by advice.
    fn has_advice() -> bool {
        let pool = StackPool::new(StackSize::DEFAULT, Guards::Advice);
        take(&pool, StackSize::DEFAULT)
            .map(|stack| pool.put(stack))
            .is_ok()
    }

    #[test]
    fn sizes_do_not_mix() {
        let pool = StackPool::new(StackSize::DEFAULT, Guards::Probe);
        let small = take(&pool, StackSize::new(StackSize::MIN).unwrap()).unwrap();
        let large = take(&pool, StackSize::new(8 << 20).unwrap()).unwrap();
        assert_eq!(
            (small.bounds().size, large.bounds().size),
            (StackSize::MIN, 8 << 20)
        );
        assert_eq!((pool.mapped(), pool.pooled()), (2, 0));
        pool.put(small);
        pool.put(large);
        assert_eq!((pool.mapped(), pool.pooled()), (2, 2));
        assert_eq!(
            take(&pool, StackSize::DEFAULT)
                .map(|stack| pool.put(stack))
                .ok(),
            Some(())
        );
        assert_eq!(pool.mapped(), 3);
    }

    #[test]
    fn many_stacks_are_few_mappings_and_no_memory_until_touched() {
        let test = "fiber::pool::tests::many_stacks_are_few_mappings_and_no_memory_until_touched";
        child::run_to_end(test, || {
            if !has_advice() {
                return;
            }
            let count = if cfg!(debug_assertions) {
                100_000
            } else {
                1_000_000
            };
            let (mappings, resident) = (child::mappings(), child::resident());
            let pool = StackPool::new(StackSize::DEFAULT, Guards::Advice);
            let mut stacks: Vec<_> = (0..count)
                .map(|_| take(&pool, StackSize::DEFAULT).unwrap())
                .collect();
            let overhead = stacks.capacity() * size_of::<Stack>();
            assert_eq!(pool.mapped(), count);
            assert!(
                child::mappings() <= mappings + 6,
                "{} mappings more",
                child::mappings() - mappings
            );
            let cost = child::resident() - resident - overhead.min(child::resident() - resident);
            assert!(cost < count * 64, "{} bytes a stack", cost / count);

            let touched = child::resident();
            for stack in &stacks[..count / 10] {
                // SAFETY: an address of a stack that nobody else uses.
                unsafe { ((stack.bounds().base - 1600) as *mut u8).write_volatile(1) };
            }
            let cost = (child::resident() - touched) as f64 / (count / 10) as f64;
            assert!(cost < 1.01 * page_size() as f64, "{cost} bytes a stack");

            stacks.drain(..).for_each(|stack| pool.put(stack));
            assert!(pool.mapped() < 6000, "{} stacks were kept", pool.mapped());
            drop((pool, stacks));
            assert!(
                child::mappings() <= mappings + 4,
                "{} mappings more",
                child::mappings() - mappings
            );
        });
    }

    #[test]
    fn protection_stops_short_of_the_map_limit() {
        let pool = StackPool::within(StackSize::DEFAULT, Guards::Protection, MapBudget::of(200));
        let mut stacks: Vec<_> = (0..50)
            .map(|_| take(&pool, StackSize::DEFAULT).unwrap())
            .collect();
        assert!(!pool.exhausted());
        let error = take(&pool, StackSize::DEFAULT).unwrap_err();
        assert!(pool.exhausted());
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        for part in [
            "256 KiB",
            "50 are mapped",
            "50 stacks with mprotect guards",
            "vm.max_map_count = 200",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(
            take(&pool, StackSize::new(64 << 10).unwrap()).is_err(),
            "all sizes draw on one budget"
        );
        pool.put(stacks.pop().unwrap());
        stacks.push(take(&pool, StackSize::DEFAULT).unwrap());
        assert!(!pool.exhausted());
        stacks.into_iter().for_each(|stack| pool.put(stack));
    }

    #[test]
    fn unmapping_refills_the_budget() {
        let budget = MapBudget::of(200);
        for _ in 0..10 {
            let pool = StackPool::within(StackSize::DEFAULT, Guards::Protection, budget);
            let stacks: Vec<_> = (0..50)
                .map(|_| take(&pool, StackSize::DEFAULT).unwrap())
                .collect();
            stacks.into_iter().for_each(|stack| pool.put(stack));
        }
    }

    #[test]
    fn ten_thousand_pools_leave_nothing_behind() {
        child::run_to_end(
            "fiber::pool::tests::ten_thousand_pools_leave_nothing_behind",
            || {
                let turn = |guards| {
                    let pool = StackPool::new(StackSize::DEFAULT, guards);
                    let stacks: Vec<_> = (0..3)
                        .map(|_| take(&pool, StackSize::DEFAULT).unwrap())
                        .collect();
                    for stack in stacks {
                        // SAFETY: an address of a stack that nobody else uses.
                        unsafe { ((stack.bounds().base - 8) as *mut u8).write_volatile(1) };
                        pool.put(stack);
                    }
                };
                turn(Guards::Probe);
                turn(Guards::Protection);
                let (mappings, resident) = (child::mappings(), child::resident());
                (0..5_000).for_each(|_| turn(Guards::Probe));
                (0..5_000).for_each(|_| turn(Guards::Protection));
                assert!(
                    child::mappings() <= mappings + 2,
                    "{} mappings more",
                    child::mappings() - mappings
                );
                assert!(child::resident() <= resident + (256 << 10));
            },
        );
    }

    #[test]
    fn out_of_address_space_is_an_error_and_passes() {
        child::run_to_end(
            "fiber::pool::tests::out_of_address_space_is_an_error_and_passes",
            || {
                let pool = StackPool::new(StackSize::DEFAULT, Guards::Probe);
                let first = take(&pool, StackSize::DEFAULT).unwrap();
                let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
                let now =
                    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * page_size() as u64;
                limit_address_space(now + (40 << 20));
                let mut stacks = vec![first];
                let error = loop {
                    match take(&pool, StackSize::DEFAULT) {
                        Ok(stack) => stacks.push(stack),
                        Err(error) => break error,
                    }
                };
                assert!(
                    (64 + 64..64 + 100).contains(&stacks.len()),
                    "{} stacks",
                    stacks.len()
                );
                assert!(pool.exhausted());
                assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
                let mapped = format!("256 KiB ({} are mapped): ", stacks.len());
                assert!(error.to_string().contains(&mapped), "{error}");
                limit_address_space(libc::RLIM_INFINITY);
                stacks.push(take(&pool, StackSize::DEFAULT).unwrap());
                assert!(!pool.exhausted());
                stacks.into_iter().for_each(|stack| pool.put(stack));
            },
        );
    }

    fn limit_address_space(bytes: u64) {
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: the limit is valid, and only read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    }

    /// Touches the page under a stack; survives if that does not fault.
    fn touch_a_guard(guards: Guards) {
        let pool = StackPool::new(StackSize::DEFAULT, guards);
        let bounds = take(&pool, StackSize::DEFAULT).unwrap().bounds();
        // SAFETY: the lowest address of a stack that nobody else uses.
        unsafe { (bounds.bottom as *mut u8).write_volatile(1) };
        // SAFETY: it faults, which is what the test is about.
        unsafe { ((bounds.bottom - 1) as *mut u8).write_volatile(1) };
        std::mem::forget(pool);
    }

    fn assert_died_of_a_fault(output: &std::process::Output) {
        use std::os::unix::process::ExitStatusExt;
        let signal = output.status.signal();
        assert!(
            matches!(signal, Some(libc::SIGSEGV | libc::SIGBUS)),
            "{output:?}"
        );
    }

    #[test]
    fn a_guard_by_advice_faults() {
        if has_advice() {
            let test = "fiber::pool::tests::a_guard_by_advice_faults";
            assert_died_of_a_fault(&child::run(test, || touch_a_guard(Guards::Advice)));
        }
    }

    #[test]
    fn a_guard_by_protection_faults() {
        let test = "fiber::pool::tests::a_guard_by_protection_faults";
        assert_died_of_a_fault(&child::run(test, || touch_a_guard(Guards::Protection)));
    }
}
