//! A cheap source of numbers that look random.

use crossbeam_utils::CachePadded;

use crate::primitive::atomic::{AtomicU64, Ordering};

/// A fraction of one, from whose digits numbers are taken.
pub(super) struct Chance {
    /// The digits that are left, as parts of two to the 64th.
    digits: u64,
    /// How many different values those may have, at the least.
    variety: u64,
}

/// With fewer than this, the numbers that are taken would not all be as likely.
const ENOUGH: u64 = 1 << 32;

impl Chance {
    /// A fraction that differs from call to call.
    pub(super) fn new() -> Chance {
        Chance {
            digits: next(),
            variety: u64::MAX,
        }
    }

    /// One of the numbers below `bound`.
    #[inline]
    pub(super) fn below(&mut self, bound: usize) -> usize {
        if self.variety < ENOUGH {
            *self = Chance::new();
        }
        let bound = bound as u64;
        let product = u128::from(self.digits) * u128::from(bound);
        self.digits = product as u64;
        self.variety /= bound;
        (product >> 64) as usize
    }
}

/// Many generators, so that few threads share one: each stack uses the same again and again. Two that race for one may get
/// the same number, which does no harm.
static STATES: [CachePadded<AtomicU64>; 16] = [const { CachePadded::new(AtomicU64::new(0)) }; 16];

/// SplitMix64 (Guy Steele, Doug Lea and Christine Flood, 2014).
fn next() -> u64 {
    let stack = 0_u8;
    // Stacks are a power of two, or some megabytes, apart: Fibonacci hashing spreads both.
    let stack = (&raw const stack).addr() as u64 >> 14;
    let index = stack.wrapping_mul(GOLDEN) >> 60;
    let state = &STATES[index as usize];
    let now = state.load(Ordering::Relaxed).wrapping_add(GOLDEN);
    state.store(now, Ordering::Relaxed);
    let mixed = (now ^ index << 32 ^ now >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// Two to the 64th, divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn numbers_below_a_bound_are_as_likely_as_each_other() {
        const ROUNDS: usize = 100_000;
        for bound in [1, 2, 3, 7, 100] {
            let mut counts = vec![0_usize; bound];
            let mut chance = Chance::new();
            for _ in 0..ROUNDS {
                counts[chance.below(bound)] += 1;
            }
            let expected = ROUNDS / bound;
            for count in counts {
                assert!(
                    count.abs_diff(expected) <= expected / 5,
                    "{count} of {expected}"
                );
            }
        }
    }
}
