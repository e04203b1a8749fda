//! Greenlets together: [`Group`] joins or kills them as one, [`Pool`] bounds how many there are, and maps iterators.
//!
//! A spawn may be refused, and the closure is dropped then, with a destructor that may do anything: so what is noted of a greenlet
//! is noted after its spawn, or taken back by a guard, and nothing is spawned, killed or dropped under a lock.
//!
//! | file | what |
//! | --- | --- |
//! | `group` | [`Group`] |
//! | `ends` | who of a group has not ended, and who has failed; waiting for that. Modelled with loom |
//! | `bounded` | [`Pool`] |
//! | `imap` | mapping an iterator lazily |
//! | `members` | whom a kill reaches. Modelled with loom |
//! | `spawning` | how all of them spawn |

mod bounded;
mod ends;
mod group;
mod imap;
mod members;
mod spawning;

pub use bounded::Pool;
pub use group::Group;
pub use imap::{Imap, ImapUnordered};
