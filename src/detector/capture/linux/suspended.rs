//! The stack of a greenlet that is not running, for dumps.

use super::slot::PIECE;
use super::snapshot::{Registers, Snapshot};
use crate::fiber::{FIBER_WORDS, Fiber, Saved};
use crate::primitive::peek;

/// Copies the stack of the suspended greenlet whose stack is kept at `fiber` (see `Header::fiber_address_in`). `None` if it is
/// not suspended, or is resumed meanwhile, or if the system lets nobody read memory this way.
///
/// Its hub may resume it at any moment, or even end it: nothing is looked at but copies that the system makes, and two are
/// made, which must agree. The greenlet may have gone on, and be suspended in the same place, in between.
pub(crate) fn suspended(fiber: *const Option<Fiber>) -> Option<Snapshot> {
    let words = copy_words(fiber)?;
    let saved = Saved::read(&words)?;
    let stack = copy_stack(&saved)?;
    if copy_words(fiber)? != words || copy_stack(&saved)? != stack {
        return None;
    }
    let next = saved.resumption(&stack)?;
    let used = next.sp - saved.stack().start;
    Some(Snapshot {
        registers: Registers {
            pc: next.pc as u64,
            sp: next.sp as u64,
            fp: Some(next.fp as u64),
            lr: None,
        },
        stack: stack.get(used..)?.into(),
        is_cut: stack.len() < saved.stack().len(),
    })
}

fn copy_words(fiber: *const Option<Fiber>) -> Option<[usize; FIBER_WORDS]> {
    let mut bytes = [0; FIBER_WORDS * size_of::<usize>()];
    if peek(fiber.addr(), &mut bytes).ok()? < bytes.len() {
        return None;
    }
    let mut words = [0; FIBER_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(size_of::<usize>())) {
        *word = usize::from_ne_bytes(bytes.try_into().ok()?);
    }
    Some(words)
}

fn copy_stack(saved: &Saved) -> Option<Vec<u8>> {
    let range = saved.stack();
    let mut stack = vec![0; range.len().min(PIECE)];
    (peek(range.start, &mut stack).ok()? == stack.len()).then_some(stack)
}
