//! The library's detector: how its watchdog sleeps.
#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/detector/slumber.rs"]
pub(crate) mod slumber;
