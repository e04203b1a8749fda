//! Stacks for dumps.

use super::capture;
use super::frame::Frame;
use crate::fiber::Fiber;

/// What the suspended greenlet whose stack is kept at `fiber` was doing, the innermost function first. `None` if it is
/// not suspended, or goes on meanwhile, or if the system lets nobody see. (Memory at `fiber` may be gone.)
pub(crate) fn stack_of_suspended(fiber: *const Option<Fiber>) -> Option<Vec<Frame>> {
    let snapshot = capture::suspended(fiber)?;
    Some(capture::resolve(&snapshot))
}
