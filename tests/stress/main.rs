//! Stress: storms of one thing, and everything at once.
#[path = "../support/mod.rs"]
mod support;

mod actor;
mod campaign;
mod crowd;
mod operations;
mod round;
mod storms;
mod supply;
mod world;

use operations::Mix;

#[test]
fn everything_at_once_keeps_all_promises() {
    campaign::run("everything", Mix::everything());
}

#[test]
fn locks_that_are_given_up_keep_their_promises() {
    campaign::run("locks", Mix::locks());
}

#[test]
fn conditions_that_are_given_up_keep_their_promises() {
    campaign::run("conditions", Mix::conditions());
}

#[test]
fn identities_are_kept_apart() {
    campaign::run("identities", Mix::identity());
}

#[test]
fn channels_that_are_given_up_lose_nothing() {
    campaign::run("channels", Mix::channels());
}
