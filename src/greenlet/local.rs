//! The values of `greenlet_local!` that one greenlet, or one OS thread, has.

use std::any::Any;

/// A small map from a key's address to its value. Values are boxed, so that a reference to one stays good while others
/// are added.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    values: Vec<(usize, Slot)>,
}

#[derive(Debug)]
enum Slot {
    Value(Box<dyn Any>),
    /// It has been dropped, and is not made again.
    Dropped,
}

/// The value of that key has been dropped already.
#[derive(Debug)]
pub(crate) struct Gone;

impl Locals {
    /// No values yet; allocates nothing.
    pub(crate) const fn new() -> Locals {
        Locals { values: Vec::new() }
    }

    /// The value of `key`, if it has been set.
    pub(crate) fn get(&self, key: usize) -> Result<Option<&dyn Any>, Gone> {
        match self.values.iter().find(|(k, _)| *k == key) {
            None => Ok(None),
            Some((_, Slot::Value(value))) => Ok(Some(&**value)),
            Some((_, Slot::Dropped)) => Err(Gone),
        }
    }

    /// No value was ever set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Some value has not been dropped.
    pub(crate) fn has_values(&self) -> bool {
        self.values
            .iter()
            .any(|(_, slot)| matches!(slot, Slot::Value(_)))
    }

    /// Sets the value of `key`, which had none.
    pub(crate) fn insert(&mut self, key: usize, value: Box<dyn Any>) {
        self.values.push((key, Slot::Value(value)));
    }

    /// At the end: takes one value out for good, the youngest first, so that the caller can drop it while no borrow of
    /// the map is held: its destructor may come back here.
    pub(crate) fn pop(&mut self) -> Option<Box<dyn Any>> {
        let slots = self.values.iter_mut().map(|(_, slot)| slot).rev();
        slots.map(Slot::take).find_map(|value| value)
    }
}

impl Slot {
    fn take(&mut self) -> Option<Box<dyn Any>> {
        match std::mem::replace(self, Slot::Dropped) {
            Slot::Value(value) => Some(value),
            Slot::Dropped => None,
        }
    }
}
