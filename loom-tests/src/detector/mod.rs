//! The library's detector: how its watchdog sleeps, and how it asks a thread's signal handler.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/detector/capture/linux/mailbox.rs"]
pub(crate) mod mailbox;
#[path = "../../../src/detector/slumber.rs"]
pub(crate) mod slumber;
