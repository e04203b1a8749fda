//! The guard under every stack: a page that faults, so that a stack that overflows hits it before its neighbour.
//!
//! There are two ways to make one. `madvise(MADV_GUARD_INSTALL)` (Linux 6.13) marks the page in the page table and
//! leaves the mapping whole: a million guarded stacks are one mapping. `mprotect(PROT_NONE)` works everywhere, but
//! splits the mapping, and a process may have no more than `vm.max_map_count` of them. At that wall malloc and thread
//! creation fail as well, so a [`MapBudget`] stops well short of it.

use std::io;

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::OnceLock;

use super::stack::page_size;

/// How a pool guards its stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guards {
    /// By advice if this kernel takes it, else by protection.
    Probe,
    /// By `madvise(MADV_GUARD_INSTALL)`, or not at all.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests force each way on any kernel")
    )]
    Advice,
    /// By `mprotect(PROT_NONE)`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests force each way on any kernel")
    )]
    Protection,
}

impl Guards {
    /// Settles which way it is on this kernel. Protection draws on `budget`.
    pub(super) fn settle(self, budget: &'static MapBudget) -> Guard {
        match self {
            Guards::Probe if advice_works() => Guard::Advice,
            Guards::Advice => Guard::Advice,
            Guards::Probe | Guards::Protection => Guard::Protection(budget),
        }
    }
}

/// A way of guarding that has been settled upon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guard {
    /// A mark in the page table; the mapping stays whole.
    Advice,
    /// A mapping of its own, without access, within this budget.
    Protection(&'static MapBudget),
}

impl Guard {
    /// Makes the page at `page` fault whenever it is touched, until it is unmapped.
    ///
    /// # Safety
    ///
    /// `page` must be page-aligned, mapped, and used by nobody.
    ///
    /// # Errors
    ///
    /// What the system call says; with [`Guard::Protection`] also `OutOfMemory` once the budget is spent.
    pub(super) unsafe fn install(self, page: usize) -> io::Result<()> {
        match self {
            // SAFETY: the same promise.
            Guard::Advice => unsafe { advise_guard(page) },
            Guard::Protection(budget) => {
                budget.claim()?;
                // SAFETY: the page is the caller's to do with as it likes.
                let outcome =
                    unsafe { libc::mprotect(page as *mut _, page_size(), libc::PROT_NONE) };
                if outcome == 0 {
                    return Ok(());
                }
                let error = io::Error::last_os_error();
                budget.release(1);
                Err(error)
            }
        }
    }

    /// Notes that `stacks` guarded stacks have been unmapped.
    pub(super) fn forget(self, stacks: usize) {
        if let Guard::Protection(budget) = self {
            budget.release(stacks);
        }
    }
}

/// Installs a guard by advice.
///
/// # Safety
///
/// As for [`Guard::install`].
#[cfg(target_os = "linux")]
unsafe fn advise_guard(page: usize) -> io::Result<()> {
    /// `MADV_GUARD_INSTALL`, which the libc crate does not name yet.
    const GUARD_INSTALL: libc::c_int = 102;
    // SAFETY: the page is the caller's to do with as it likes.
    match unsafe { libc::madvise(page as *mut _, page_size(), GUARD_INSTALL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Only Linux has guards by advice.
///
/// # Safety
///
/// As for [`Guard::install`].
#[cfg(not(target_os = "linux"))]
unsafe fn advise_guard(_page: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether this kernel guards by advice. Tried once, on a page of its own.
fn advice_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, wherever there is room.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), page_size(), access, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return false;
        }
        // SAFETY: the page was mapped just now, and nobody else knows of it.
        let works = unsafe { advise_guard(page as usize) }.is_ok();
        // SAFETY: as above.
        unsafe { libc::munmap(page, page_size()) };
        works
    })
}

/// Mappings left for everything else in the process: its heap, its libraries, its threads' stacks.
const RESERVED_MAPS: usize = 4096;

/// Mappings that a stack guarded by protection takes: the guard, and the rest of the slot.
const MAPS_PER_STACK: usize = 2;

/// How many stacks may still be guarded by protection before the process runs out of mappings.
#[derive(Debug)]
pub(super) struct MapBudget {
    /// Stacks that are guarded by protection.
    stacks: AtomicUsize,
    /// The limit on mappings; looked up at the first claim. `None` where there is none.
    limit: OnceLock<Option<usize>>,
}

impl MapBudget {
    /// The budget that all pools of this process share, since the kernel counts by process.
    pub(super) fn of_process() -> &'static MapBudget {
        static BUDGET: MapBudget = MapBudget {
            stacks: AtomicUsize::new(0),
            limit: OnceLock::new(),
        };
        &BUDGET
    }

    /// Takes the mappings of one stack out of the budget.
    fn claim(&self) -> io::Result<()> {
        let Some(limit) = *self.limit.get_or_init(map_limit) else {
            return Ok(());
        };
        let usable = limit - RESERVED_MAPS.min(limit / 2);
        // Relaxed: the number is all that is shared.
        let stacks = self.stacks.fetch_add(1, Ordering::Relaxed);
        if (stacks + 1) * MAPS_PER_STACK <= usable {
            return Ok(());
        }
        self.release(1);
        Err(over_budget(stacks, limit))
    }

    /// Returns the mappings of `stacks` stacks.
    fn release(&self, stacks: usize) {
        if self.limit.get().copied().flatten().is_some() {
            self.stacks.fetch_sub(stacks, Ordering::Relaxed);
        }
    }

    /// A budget of `limit` mappings that nothing else in the process shares.
    #[cfg(test)]
    pub(super) fn of(limit: usize) -> &'static MapBudget {
        Box::leak(Box::new(MapBudget {
            stacks: AtomicUsize::new(0),
            limit: OnceLock::from(Some(limit)),
        }))
    }
}

#[cold]
#[inline(never)]
fn over_budget(stacks: usize, limit: usize) -> io::Error {
    let text = format!(
        "{stacks} stacks with mprotect guards leave no room below vm.max_map_count = {limit}; \
         raise it with sysctl, or run fewer greenlets at once",
    );
    io::Error::new(io::ErrorKind::OutOfMemory, text)
}

/// How many mappings a process may have; the kernel's default where it cannot be read.
#[cfg(target_os = "linux")]
fn map_limit() -> Option<usize> {
    let setting = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    Some(
        setting
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(65_530),
    )
}

/// No such limit is known elsewhere.
#[cfg(not(target_os = "linux"))]
fn map_limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_stops_short_of_the_limit_and_refills() {
        let budget = MapBudget::of(20_000);
        let claimed = (0..).take_while(|_| budget.claim().is_ok()).count();
        assert_eq!(claimed, (20_000 - RESERVED_MAPS) / MAPS_PER_STACK);
        let error = budget.claim().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(
            text.contains("7952 stacks") && text.contains("vm.max_map_count = 20000"),
            "{text}"
        );
        budget.release(2);
        assert!(budget.claim().is_ok() && budget.claim().is_ok() && budget.claim().is_err());
    }

    #[test]
    fn a_tiny_limit_still_leaves_half_of_it_to_others() {
        let budget = MapBudget::of(40);
        assert_eq!((0..).take_while(|_| budget.claim().is_ok()).count(), 10);
    }

    #[test]
    fn forcing_a_kind_is_obeyed() {
        let budget = MapBudget::of_process();
        assert!(matches!(Guards::Advice.settle(budget), Guard::Advice));
        assert!(matches!(
            Guards::Protection.settle(budget),
            Guard::Protection(_)
        ));
    }
}
