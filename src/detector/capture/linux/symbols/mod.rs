//! From addresses to functions, files and lines.
//!
//! | file | holds |
//! | --- | --- |
//! | `frames` | what is known of an address |
//! | `table` | names from a file's symbol table |
//! | `runtime` | which frames are not the greenlet's own |

mod frames;
mod runtime;
mod table;

pub(super) use frames::Symbols;
