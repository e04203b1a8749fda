//! The library's protocol between the registrations of one socket.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/net/registered.rs"]
mod registered;

pub(crate) use registered::{Current, Registered, Watch};
