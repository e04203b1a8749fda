//! Where a suspended fiber goes on, found from outside: for a dump, which shows its stack.
//!
//! The fiber belongs to its hub, which may resume it at any moment, so nobody else may look at it. Whoever wants to know
//! has the system copy the words of the `Option<Fiber>`, and then some of the stack. What is here reads such copies, and
//! takes nothing for granted: they may be torn, or of a fiber that has ended.
//!
//! corosensei keeps to itself in which field of a coroutine it saves the stack pointer, and in what order it saves the
//! registers. The field is found by what it says: a fiber that is suspended contains two addresses on its own stack, the
//! stack pointer that it began with and, below, the one that it goes on with. (One that runs has only the first; of one
//! that has not begun the two are the same.) The order of the registers is that of corosensei 0.3, pictured at the top of
//! its `arch/*.rs`; a test here sees to it that another one is noticed.

use super::coroutine::Fiber;
use super::stack::{Place, StackBounds};

/// The words of an `Option<Fiber>`.
pub(crate) const FIBER_WORDS: usize = size_of::<Option<Fiber>>() / size_of::<usize>();

// The option has no tag of its own, so what is in it lies at its beginning.
const _: () = assert!(size_of::<Option<Fiber>>() == size_of::<Fiber>());

/// What a suspended fiber's words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Where its stack lies.
    pub(crate) bounds: StackBounds,
    /// The saved stack pointer.
    sp: usize,
}

/// With what registers it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resumption {
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

impl Saved {
    /// Reads a copy of an `Option<Fiber>`; `None` if it is not that of a suspended fiber.
    pub(crate) fn read(words: &[usize; FIBER_WORDS]) -> Option<Saved> {
        let place = words[Fiber::PLACE_OFFSET / size_of::<usize>()];
        let bounds = Place::from_word(place)?.bounds();
        let on_stack = || {
            let aligned = |word: &usize| word % align_of::<usize>() == 0;
            let words = words.iter().copied().filter(aligned);
            words.filter(|&word| bounds.contains(word))
        };
        let sp = on_stack().min()?;
        (on_stack().max()? > sp).then_some(Saved { bounds, sp })
    }

    /// The first address above what the fiber uses of its stack below: what to copy from, up to the base.
    pub(crate) fn stack(&self) -> std::ops::Range<usize> {
        self.sp..self.bounds.base
    }

    /// The registers, of which `stack` is a copy from the beginning of [`Saved::stack`].
    pub(crate) fn resumption(&self, stack: &[u8]) -> Option<Resumption> {
        let layout = LAYOUT?;
        let word = |index: usize| {
            let bytes = stack.chunks_exact(size_of::<usize>()).nth(index)?;
            bytes.try_into().ok().map(usize::from_ne_bytes)
        };
        Some(Resumption {
            pc: word(layout.pc)?,
            sp: self.sp + layout.length * size_of::<usize>(),
            fp: word(layout.fp)?,
        })
    }
}

/// In which words from the saved stack pointer on the registers lie, and how many words it takes in all.
struct Layout {
    pc: usize,
    fp: usize,
    length: usize,
}

#[cfg(target_arch = "x86_64")]
const LAYOUT: Option<Layout> = Some(Layout {
    pc: 0,
    fp: 2,
    length: 3,
});
#[cfg(target_arch = "aarch64")]
const LAYOUT: Option<Layout> = Some(Layout {
    pc: 2,
    fp: 1,
    length: 4,
});
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const LAYOUT: Option<Layout> = None;

#[cfg(test)]
mod tests {
    use super::super::cache::StackCache;
    use super::super::coroutine::{Suspend, Suspender};
    use super::super::guard::Guards;
    use super::super::pool::StackPool;
    use super::super::stack::StackSize;
    use super::*;
    use crate::primitive::sync::Arc;

    /// The words of a fiber that is at rest.
    fn words(fiber: &Option<Fiber>) -> [usize; FIBER_WORDS] {
        // SAFETY: it is as long, and has no padding.
        unsafe {
            std::ptr::from_ref(fiber)
                .cast::<[usize; FIBER_WORDS]>()
                .read()
        }
    }

    unsafe fn look_and_suspend(fiber: *const (), suspender: &Suspender) {
        // SAFETY: a test's own fiber, which this very greenlet is; nobody changes it while it runs.
        let running = unsafe { fiber.cast::<[usize; FIBER_WORDS]>().read_volatile() };
        assert_eq!(Saved::read(&running), None);
        suspender.suspend(Suspend::Park);
    }

    #[test]
    fn a_suspended_fiber_tells_where_it_goes_on() {
        let mut cache =
            StackCache::new(Arc::new(StackPool::new(StackSize::DEFAULT, Guards::Probe)));
        let stack = cache.take(StackSize::DEFAULT).unwrap();
        let bounds = stack.bounds();
        let mut place = Box::new(None);
        let address = std::ptr::from_ref(&*place).cast();
        assert_eq!(Saved::read(&[0; FIBER_WORDS]), None);
        // SAFETY: the entry is given the address of its own fiber, which stays there.
        *place = Some(unsafe { Fiber::new(stack, look_and_suspend, address) });
        assert_eq!(Saved::read(&words(&place)), None);
        let resume = |place: &mut Option<Fiber>| {
            // SAFETY: the entry uses nothing that is bound to a thread.
            unsafe { place.as_mut().unwrap().resume() }
        };
        assert_eq!(resume(&mut place), Some(Suspend::Park));
        let saved = Saved::read(&words(&place)).unwrap();
        assert_eq!(saved.bounds, bounds);
        // SAFETY: the fiber is suspended, so what is on its stack stays.
        let copy = unsafe {
            std::slice::from_raw_parts(saved.stack().start as *const u8, saved.stack().len())
        };
        let resumption = saved.resumption(copy).unwrap();
        assert!(bounds.contains(resumption.sp));
        // It goes on in the function that has suspended it, or in one that was inlined into that: not far away.
        let pc = resumption.pc;
        let code = (look_and_suspend as *const ())
            .addr()
            .min((Suspender::suspend as *const ()).addr());
        assert!(
            pc.abs_diff(code) < 64 << 20,
            "{pc:#x} is far from {code:#x}"
        );
        assert_eq!(resume(&mut place), None);
        assert_eq!(Saved::read(&words(&place)), None);
        cache.put(place.take().unwrap().into_stack());
    }

    #[test]
    fn words_that_are_anything_are_no_fault() {
        for word in [
            1,
            14,
            0xfff,
            1 << 31,
            1 << 62,
            usize::MAX,
            usize::MAX / 2 - 1,
        ] {
            let mut words = [word; FIBER_WORDS];
            assert_eq!(Saved::read(&words), None, "{word:#x}");
            words[Fiber::PLACE_OFFSET / size_of::<usize>()] = 0x7000_0000_0012;
            assert_eq!(Saved::read(&words), None, "{word:#x}");
        }
    }
}
