//! Greenlets together: [`Group`] joins or kills them as one, [`Pool`] bounds how many there are, and maps iterators.

mod bounded;
mod group;
mod imap;
mod spawning;

pub use bounded::Pool;
pub use group::Group;
pub use imap::{Imap, ImapUnordered};
