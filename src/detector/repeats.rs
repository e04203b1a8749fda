//! The same fault again: it is counted, and told of ever more rarely.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::Location;

use super::cause::Cause;
use super::frame::Frame;

/// So many different faults are told apart; what comes after them counts as one.
const MOST: usize = 1024;

/// How often each fault was seen.
#[derive(Debug, Default)]
pub(crate) struct Repeats(HashMap<u64, u64>);

impl Repeats {
    /// One more. If it is to be told of: how often the same was seen before.
    pub(crate) fn count(
        &mut self,
        place: &'static Location<'static>,
        cause: Cause,
        stack: &[Frame],
    ) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        if stack.is_empty() {
            (place, cause).hash(&mut hasher);
        } else {
            stack.hash(&mut hasher);
        }
        let mut key = hasher.finish();
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            key = 0;
        }
        let count = self.0.entry(key).or_default();
        *count += 1;
        count.is_power_of_two().then_some(*count - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::super::cause::Cause;
    use super::super::frame::Frame;
    use super::{MOST, Repeats};

    fn stack(line: u32) -> Vec<Frame> {
        vec![Frame {
            function: String::from("stall::hog"),
            file: Some("stall.rs".into()),
            line: Some(line),
        }]
    }

    #[test]
    fn of_ten_thousand_equal_faults_fourteen_are_told_of() {
        let mut repeats = Repeats::default();
        let told: Vec<_> = (0..10_000)
            .filter_map(|_| repeats.count(Location::caller(), Cause::Cpu, &stack(7)))
            .collect();
        assert_eq!(told[..4], [0, 1, 3, 7]);
        assert_eq!(told.len(), 14);
    }

    #[test]
    fn another_stack_is_another_fault_wherever_it_was_spawned() {
        let mut repeats = Repeats::default();
        let mut count = |place, line| repeats.count(place, Cause::Cpu, &stack(line));
        assert_eq!(count(Location::caller(), 7), Some(0));
        assert_eq!(count(Location::caller(), 8), Some(0));
        assert_eq!(count(Location::caller(), 7), Some(1));
    }

    #[test]
    fn without_a_stack_the_place_and_the_cause_count() {
        let mut repeats = Repeats::default();
        let place = Location::caller();
        let read = Cause::Syscall {
            number: 0,
            name: "read",
        };
        assert_eq!(repeats.count(place, Cause::Cpu, &[]), Some(0));
        assert_eq!(repeats.count(place, read, &[]), Some(0));
        assert_eq!(repeats.count(place, read, &[]), Some(1));
        assert_eq!(repeats.count(Location::caller(), read, &[]), Some(0));
    }

    #[test]
    fn ever_new_faults_use_bounded_memory() {
        let mut repeats = Repeats::default();
        let lines = 0..100_000;
        let told = lines
            .filter_map(|line| repeats.count(Location::caller(), Cause::Cpu, &stack(line)))
            .count();
        assert!(repeats.0.len() <= MOST + 1);
        assert!(told <= MOST + 20, "{told}");
    }
}
