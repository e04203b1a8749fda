//! Waits for what no event tells of.

use std::io;
use std::time::{Duration, Instant};

use super::modes::Patience;
use crate::greenlet::WaitKind;
use crate::wait;

/// Between the first two attempts. It doubles from one to the next.
const FIRST: Duration = Duration::from_micros(50);

/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_millis(20);

/// Waits for `duration`.
#[track_caller]
pub(super) fn pause(kind: WaitKind, duration: Duration) {
    sleep_until(kind, Instant::now() + duration);
}

/// Repeats `attempt`, with pauses that grow, until it does not fail with `WouldBlock`. When patience has ended, it is made
/// once more.
#[track_caller]
pub(super) fn retry<R>(
    kind: WaitKind,
    patience: Patience,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    let mut deadline = None;
    let mut is_last = patience == Patience::None;
    let mut pause = None;
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_last {
                    if patience == Patience::None {
                        // The hub may have what a loop around this waits for.
                        wait::yield_if_overdue();
                    }
                    return Err(error);
                }
            }
            done => return done,
        }
        if let (Patience::For(timeout), None) = (patience, pause) {
            deadline = wait::deadline_after(timeout);
        }
        let next = pause.map_or(FIRST, |pause: Duration| (pause * 2).min(LONGEST));
        pause = Some(next);
        let until = Instant::now() + next;
        sleep_until(kind, deadline.map_or(until, |deadline| deadline.min(until)));
        is_last = wait::has_passed(deadline);
    }
}

#[track_caller]
fn sleep_until(kind: WaitKind, until: Instant) {
    wait::deliver_due();
    while !wait::has_passed(Some(until)) {
        wait::park(kind, Some(until));
    }
}
