//! The spawn sites whose greenlets are kept from the main lane.

use std::collections::HashSet;
use std::panic::Location;

use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::sync::Mutex;

/// Places in the source whose fresh greenlets start on the compute lane. It only grows.
#[derive(Debug)]
pub(crate) struct Isolation {
    /// There is one: all that a spawn looks at normally.
    any: AtomicBool,
    places: Mutex<HashSet<&'static Location<'static>>>,
}

impl Isolation {
    /// No such place.
    pub(crate) fn new() -> Isolation {
        Isolation {
            any: AtomicBool::new(false),
            places: Mutex::new(HashSet::new()),
        }
    }

    /// From now on greenlets that are spawned there go to the compute lane. `false`: they did already.
    pub(crate) fn add(&self, place: &'static Location<'static>) -> bool {
        let added = self.places.lock().insert(place);
        // Relaxed: a spawn that does not see it yet is one that came a little earlier.
        self.any.store(true, Ordering::Relaxed);
        added
    }

    /// Greenlets that are spawned there go to the compute lane.
    #[inline]
    pub(crate) fn contains(&self, place: &'static Location<'static>) -> bool {
        self.any.load(Ordering::Relaxed) && self.look_up(place)
    }

    #[cold]
    fn look_up(&self, place: &'static Location<'static>) -> bool {
        self.places.lock().contains(place)
    }
}
