//! What actors do: tables of operations, and the choice among them.
//!
//! Each operation waits in one of three ways. For what others *hold* (a lock, permits, somebody's end) it may wait without
//! end, in the order of ranks: the holder will let go of it. For what others must *bring* (a message, a byte, a signal) it may
//! wait without end, and is counted while it does: `supply` brings what is missing. All other waits have a limit.

mod channels;
mod conditions;
mod families;
mod identity;
mod limits;
mod locks;
mod selects;
mod sockets;
mod waits;

use crate::actor::Actor;
use crate::support::Random;

/// One thing that an actor can do.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// How often, beside the others.
    weight: u64,
    /// No other operation lies in it.
    is_leaf: bool,
    pub(crate) run: fn(&mut Actor),
}

impl Operation {
    const fn leaf(name: &'static str, weight: u64, run: fn(&mut Actor)) -> Operation {
        Operation {
            name,
            weight,
            is_leaf: true,
            run,
        }
    }

    /// Others lie in it.
    const fn nest(name: &'static str, weight: u64, run: fn(&mut Actor)) -> Operation {
        Operation {
            name,
            weight,
            is_leaf: false,
            run,
        }
    }
}

type Table = &'static [Operation];

/// What the actors of a round choose from.
pub(crate) struct Mix {
    operations: Vec<&'static Operation>,
}

impl Mix {
    fn of(tables: &[Table]) -> Mix {
        Mix {
            operations: tables.iter().copied().flatten().collect(),
        }
    }

    /// All there is.
    pub(crate) fn everything() -> Mix {
        Mix::of(&[
            waits::TABLE,
            limits::TABLE,
            locks::TABLE,
            conditions::TABLE,
            channels::TABLE,
            selects::TABLE,
            families::TABLE,
            sockets::TABLE,
            identity::TABLE,
        ])
    }

    /// Locks and permits, with kills and limits.
    pub(crate) fn locks() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, locks::TABLE])
    }

    /// Conditions, barriers and events, with kills and limits.
    pub(crate) fn conditions() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, conditions::TABLE])
    }

    /// Who has a lock, with kills and limits.
    pub(crate) fn identity() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, identity::TABLE])
    }

    /// Channels, with kills and limits.
    pub(crate) fn channels() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, channels::TABLE, selects::TABLE])
    }

    /// Any operation, or any leaf, and its number, which is not zero.
    pub(crate) fn choose(&self, random: &mut Random, leaf: bool) -> (usize, &'static Operation) {
        let may = |operation: &Operation| operation.is_leaf || !leaf;
        let eligible = || self.operations.iter().zip(1..).filter(|(one, _)| may(one));
        let mut left = random.below(eligible().map(|(one, _)| one.weight).sum());
        for (operation, number) in eligible() {
            match left.checked_sub(operation.weight) {
                Some(rest) => left = rest,
                None => return (number, operation),
            }
        }
        unreachable!("the number is below the sum of all weights")
    }

    /// The name of the operation of that number.
    pub(crate) fn name(&self, number: usize) -> &'static str {
        match number.checked_sub(1) {
            Some(at) => self.operations[at].name,
            None => "nothing",
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }
}
