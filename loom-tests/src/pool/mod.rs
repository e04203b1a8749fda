//! The library's bookkeeping of greenlets that belong together.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/pool/ends.rs"]
pub(crate) mod ends;
#[path = "../../../src/pool/members.rs"]
pub(crate) mod members;
