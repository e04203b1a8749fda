//! The stack that signal handlers run on: a handler for an overflow cannot run on the stack that is full.

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use super::stack::{KIB, page_size};

/// Room for a handler: enough for the one of the blocking detector, which copies a piece of a stack, and for a
/// handler of the user's that was there before and is passed on to. Only what is touched costs memory.
const ROOM: usize = 64 * KIB;

/// An alternate signal stack for the thread that made it. Dropping it puts the thread's former one back.
#[derive(Debug)]
pub(crate) struct AltStack {
    /// The lowest address of the mapping, which is a guard page.
    mapping: *mut libc::c_void,
    /// What the thread had before.
    previous: libc::stack_t,
    /// The system keeps one for each thread, so this must be dropped on its own: it is not `Send`.
    _thread_bound: PhantomData<*mut ()>,
}

impl AltStack {
    /// Gives the calling thread a new alternate signal stack.
    ///
    /// # Errors
    ///
    /// When there is no memory for it, or when called from a signal handler.
    pub(crate) fn install() -> io::Result<AltStack> {
        let mapping = map_guarded(mapping_size())?;
        let new = libc::stack_t {
            ss_sp: mapping.wrapping_byte_add(page_size()),
            ss_flags: 0,
            ss_size: mapping_size() - page_size(),
        };
        let mut previous = MaybeUninit::uninit();
        // SAFETY: the new stack is mapped, belongs to nobody else, and stays until it is replaced in `drop`.
        if unsafe { libc::sigaltstack(&new, previous.as_mut_ptr()) } != 0 {
            let error = io::Error::last_os_error();
            // SAFETY: mapped above, and used by nobody.
            unsafe { libc::munmap(mapping, mapping_size()) };
            return Err(error);
        }
        // SAFETY: the call succeeded, so it has filled in what was there before.
        let previous = unsafe { previous.assume_init() };
        Ok(AltStack {
            mapping,
            previous,
            _thread_bound: PhantomData,
        })
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let mut current = MaybeUninit::uninit();
        // SAFETY: this only asks for the stack in force.
        let asked = unsafe { libc::sigaltstack(ptr::null(), current.as_mut_ptr()) } == 0;
        // SAFETY: read only if the call has filled it in.
        let ours = asked
            && unsafe { current.assume_init() }.ss_sp
                == self.mapping.wrapping_byte_add(page_size());
        if ours {
            // Some systems check the size even if the stack is to be disabled.
            self.previous.ss_size = self
                .previous
                .ss_size
                .max(ROOM * usize::from(self.previous.ss_sp.is_null()));
            // SAFETY: it was in force before, and whoever installed it left it to be restored.
            unsafe { libc::sigaltstack(&self.previous, ptr::null_mut()) };
        }
        // SAFETY: no handler runs on it: this thread is here, and no other one uses it.
        unsafe { libc::munmap(self.mapping, mapping_size()) };
    }
}

/// Bytes to map: a guard page, room for a handler, and what the system itself puts on the stack.
fn mapping_size() -> usize {
    page_size() + (ROOM + frame_size()).next_multiple_of(page_size())
}

/// What the system itself needs for one signal: with wide vector registers more than `MINSIGSTKSZ` says.
#[cfg(target_os = "linux")]
fn frame_size() -> usize {
    // SAFETY: getauxval has no preconditions; it says 0 for what it does not know.
    let size = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    size.max(libc::MINSIGSTKSZ)
}

/// What the system itself needs for one signal.
#[cfg(not(target_os = "linux"))]
fn frame_size() -> usize {
    libc::MINSIGSTKSZ
}

/// Maps `length` bytes, the lowest page of which faults.
fn map_guarded(length: usize) -> io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new mapping, wherever there is room.
    let mapping = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
    if mapping == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let above = mapping.wrapping_byte_add(page_size());
    // SAFETY: a part of the new mapping, which nobody uses.
    if unsafe {
        libc::mprotect(
            above,
            length - page_size(),
            libc::PROT_READ | libc::PROT_WRITE,
        )
    } != 0
    {
        let error = io::Error::last_os_error();
        // SAFETY: as above.
        unsafe { libc::munmap(mapping, length) };
        return Err(error);
    }
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> libc::stack_t {
        let mut current = MaybeUninit::uninit();
        // SAFETY: this only asks for the stack in force, and fills it in.
        unsafe {
            assert_eq!(libc::sigaltstack(ptr::null(), current.as_mut_ptr()), 0);
            current.assume_init()
        }
    }

    #[test]
    fn dropping_it_restores_the_former_one() {
        std::thread::spawn(|| {
            let before = current();
            let outer = AltStack::install().unwrap();
            let between = current();
            assert_ne!(between.ss_sp, before.ss_sp);
            assert!(between.ss_size >= ROOM);
            drop(AltStack::install().unwrap());
            assert_eq!(current().ss_sp, between.ss_sp);
            drop(outer);
            let after = current();
            assert_eq!(
                (after.ss_sp, after.ss_flags),
                (before.ss_sp, before.ss_flags)
            );
        })
        .join()
        .unwrap();
    }
}
