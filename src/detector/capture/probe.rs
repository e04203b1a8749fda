//! Which slice somebody wants to know of.

use crate::primitive::atomic::{AtomicU64, Ordering};

/// Which slice is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceProbe<'a> {
    /// A word that the hub's own thread changes before and after each slice.
    pub(crate) word: &'a AtomicU64,
    /// What it says in the slice that is meant.
    pub(crate) expected: u64,
}

impl SliceProbe<'_> {
    /// The hub is still in that slice.
    #[cfg_attr(
        not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )),
        expect(dead_code, reason = "there nobody asks")
    )]
    pub(super) fn holds(&self) -> bool {
        // Relaxed: what is copied of the stack is not to be trusted anyway; the word only makes it likely to be right.
        self.word.load(Ordering::Relaxed) == self.expected
    }
}
