//! From a copy of a stack to the addresses of the code that its calls return to.
//!
//! It works on copies alone: of the stack, and of the unwind tables of whatever is loaded (`modules`). What it reads of a
//! stack is looked up in those, never followed, so nonsense in a copy makes a nonsensical or a short list, and no fault.
//!
//! | file | holds |
//! | --- | --- |
//! | `walk` | the way from frame to frame |
//! | `modules` | programs and libraries that are loaded, and their unwind tables |
//! | `calls` | what the call instruction before a return address calls |

mod calls;
mod modules;
mod walk;

pub(super) use walk::{Trace, Unwinder};
