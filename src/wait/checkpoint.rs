//! A yield that costs next to nothing while it is not needed.
//!
//! Reading the clock at every call would cost more than most loops' bodies. So a slice's first call reads it, and each
//! reading decides how many calls may pass before the next: as many as, at the pace so far, fit in a tenth of the
//! budget. A loop of fast steps reads the clock rarely, one of slow steps every time.

use std::time::{Duration, Instant};

use super::quiet_yield::give_way_quietly;
use super::yielding::give_way;
use crate::context::{self, Pace};

/// How long a slice may last before a checkpoint yields.
const BUDGET: Duration = Duration::from_millis(1);

/// The most calls that may pass between two readings of the clock.
const MOST_CALLS: u32 = 4096;

/// Yields if the caller has run for longer than a millisecond since it was last resumed; otherwise costs a few
/// nanoseconds. For the inside of long computations that share a hub with others:
///
/// ```
/// let sum: u64 = greenhub::run(|| {
///     let mut sum = 0;
///     for i in 0..100_000 {
///         sum += i;
///         greenhub::checkpoint();
///     }
///     sum
/// });
/// # assert_eq!(sum, 4_999_950_000);
/// ```
///
/// Work that computes from beginning to end is better off on the compute lane: [`spawn_compute`](crate::spawn_compute).
/// On a plain OS thread this does nothing.
#[inline]
pub fn checkpoint() {
    if is_overdue() {
        give_way();
    }
}

/// The caller has tried in vain, or has asked a question and got the answer that a loop may wait to see change. On a thread
/// such a loop harms nobody for long; here it would keep the hub from the very greenlet that it waits for. So if the slice is
/// overdue this yields, quietly: nothing is delivered, because a call that does not wait must not unwind.
///
/// For the public calls alone: what they are made of tries in the middle of things.
#[inline]
pub(crate) fn yield_if_overdue() {
    if is_overdue() {
        give_way_quietly();
    }
}

/// The slice has lasted for longer than its budget: found out by a look at the clock now and then.
#[inline]
fn is_overdue() -> bool {
    let overdue = context::with(|context| {
        let left = context.calls_before_clock();
        if left > 0 {
            context.set_calls_before_clock(left - 1);
            return false;
        }
        context.greenlet().is_some() && look_at_clock(context)
    });
    overdue == Some(true)
}

#[cold]
fn look_at_clock(context: &context::Context) -> bool {
    let now = Instant::now();
    let Some(pace) = context.pace() else {
        context.set_pace(Pace {
            began: now,
            looked: now,
            calls: 1,
        });
        return false;
    };
    if now - pace.began >= BUDGET {
        context.set_overdue();
        return true;
    }
    // At this pace, how many calls are a tenth of the budget?
    let step = (now - pace.looked).as_nanos().max(1);
    let calls =
        (BUDGET.as_nanos() / 10 * u128::from(pace.calls) / step).clamp(1, u128::from(MOST_CALLS));
    let calls = u32::try_from(calls).unwrap_or(MOST_CALLS);
    context.set_pace(Pace {
        began: pace.began,
        looked: now,
        calls,
    });
    context.set_calls_before_clock(calls - 1);
    false
}
