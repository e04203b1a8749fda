//! From the key that a poller reports to the socket that it means.

/// How many of a key's bits are the place; the others are the generation.
const PLACE_BITS: u32 = usize::BITS / 2;

/// The places that can be used. The last ones are left out, so that no key looks like a notifier's.
const PLACES: usize = (1 << PLACE_BITS) - 2;

/// A table whose keys are never valid twice: a place that is freed and taken again has another generation, so that a
/// late event for a closed socket cannot be taken for one of its successor. (A generation comes again after 2^32 uses of
/// one place; a late event is late by one wait.)
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Place<T>>,
    /// Free places, the last freed first.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: usize,
    value: Option<T>,
}

impl<T> Slots<T> {
    /// An empty table.
    pub(super) fn new() -> Slots<T> {
        Slots {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Takes a place for `value`; gives it back when there is none.
    pub(super) fn insert(&mut self, value: T) -> Result<usize, T> {
        let place = match self.free.pop() {
            Some(place) => place as usize,
            None if self.places.len() < PLACES => {
                self.places.push(Place {
                    generation: 0,
                    value: None,
                });
                self.places.len() - 1
            }
            None => return Err(value),
        };
        let entry = &mut self.places[place];
        entry.value = Some(value);
        Ok((entry.generation << PLACE_BITS) | place)
    }

    /// What `key` stands for, unless it was removed.
    pub(super) fn get(&self, key: usize) -> Option<&T> {
        let place = self.places.get(place(key))?;
        if place.generation == generation(key) {
            place.value.as_ref()
        } else {
            None
        }
    }

    /// Frees the key's place; `None` when that was done before.
    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        let at = place(key);
        let place = self.places.get_mut(at)?;
        if place.generation != generation(key) {
            return None;
        }
        let value = place.value.take()?;
        place.generation = generation((place.generation + 1) << PLACE_BITS);
        self.free.push(at as u32);
        Some(value)
    }

    /// Everything in the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.value.as_ref())
    }
}

fn place(key: usize) -> usize {
    key & ((1 << PLACE_BITS) - 1)
}

fn generation(key: usize) -> usize {
    key >> PLACE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_dead_once_removed_even_when_its_place_is_taken_again() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        let other = slots.insert('b').unwrap();
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('c').unwrap();
        assert_eq!(place(first), place(second));
        assert_ne!(first, second);
        assert_eq!((slots.get(first), slots.get(second)), (None, Some(&'c')));
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.remove(second), Some('c'));
        assert_eq!(slots.iter().collect::<Vec<_>>(), [&'b']);
        assert_eq!(slots.get(other), Some(&'b'));
    }

    #[test]
    fn places_are_taken_again_before_new_ones() {
        let mut slots = Slots::new();
        for _ in 0..1_000 {
            let keys: Vec<_> = (0..3).map(|n| slots.insert(n).unwrap()).collect();
            for key in keys {
                slots.remove(key).unwrap();
            }
        }
        assert_eq!(slots.places.len(), 3);
    }

    #[test]
    fn a_generation_wraps_within_its_bits() {
        let mut slots = Slots::new();
        slots.insert(()).unwrap();
        slots.places[0].generation = usize::MAX >> PLACE_BITS;
        let last = usize::MAX << PLACE_BITS;
        assert_eq!(slots.remove(last), Some(()));
        assert_eq!(slots.insert(()), Ok(0));
    }
}
