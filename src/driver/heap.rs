//! A four-ary heap: half as deep as a binary one, so that taking the first of a million entries touches half as many
//! cache lines.

/// An entry: what comes first is smallest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// When, in nanoseconds.
    pub(super) at: u64,
    /// Which of those with the same `at`: no two entries have the same.
    pub(super) sequence: u64,
    /// What the entry stands for.
    pub(super) slot: u32,
}

impl Entry {
    fn before(&self, other: &Entry) -> bool {
        (self.at, self.sequence) < (other.at, other.sequence)
    }
}

/// The entries. The parent of `n` is `(n - 1) / 4`, and no entry is before its parent.
#[derive(Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
}

impl Heap {
    /// An empty heap.
    pub(super) fn new() -> Heap {
        Heap {
            entries: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first one.
    pub(super) fn peek(&self) -> Option<&Entry> {
        self.entries.first()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds one.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.rise(self.entries.len() - 1);
    }

    /// Takes the first one.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let last = self.entries.pop()?;
        match self.entries.first_mut() {
            None => Some(last),
            Some(first) => {
                let taken = std::mem::replace(first, last);
                self.sink(0);
                Some(taken)
            }
        }
    }

    /// Drops the entries that `keep` is false for; linear.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
        for parent in (0..self.entries.len().div_ceil(4)).rev() {
            self.sink(parent);
        }
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    fn rise(&mut self, mut at: usize) {
        let entry = self.entries[at];
        while at > 0 {
            let parent = (at - 1) / 4;
            if !entry.before(&self.entries[parent]) {
                break;
            }
            self.entries[at] = self.entries[parent];
            at = parent;
        }
        self.entries[at] = entry;
    }

    fn sink(&mut self, mut at: usize) {
        let entry = self.entries[at];
        loop {
            let first_child = 4 * at + 1;
            let children = first_child..self.entries.len().min(first_child + 4);
            let Some(least) = children.reduce(|least, child| {
                if self.entries[child].before(&self.entries[least]) {
                    child
                } else {
                    least
                }
            }) else {
                break;
            };
            if !self.entries[least].before(&entry) {
                break;
            }
            self.entries[at] = self.entries[least];
            at = least;
        }
        self.entries[at] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, sequence: u64) -> Entry {
        Entry {
            at,
            sequence,
            slot: 0,
        }
    }

    fn emptied(mut heap: Heap) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| heap.pop())
            .map(|entry| (entry.at, entry.sequence))
            .collect()
    }

    #[test]
    fn entries_come_out_in_order_at_every_size() {
        for size in 0..200_u64 {
            let mut heap = Heap::new();
            // 101 is a prime, so every residue comes up; some more than once.
            (0..size).for_each(|n| heap.push(entry(n * 37 % 101, n)));
            let taken = emptied(heap);
            let mut sorted = taken.clone();
            sorted.sort_unstable();
            assert_eq!(taken, sorted);
            assert_eq!(taken.len() as u64, size);
        }
    }

    #[test]
    fn what_is_retained_is_still_a_heap() {
        for size in 0..200_u64 {
            let mut heap = Heap::new();
            (0..size).for_each(|n| heap.push(entry(n * 37 % 101, n)));
            heap.retain(|entry| entry.sequence % 3 != 0);
            let mut expected: Vec<_> = (0..size)
                .filter(|n| n % 3 != 0)
                .map(|n| (n * 37 % 101, n))
                .collect();
            expected.sort_unstable();
            assert_eq!(emptied(heap), expected);
        }
    }
}
