//! What actors do: tables of operations, and the choice among them.
//!
//! Each operation waits in one of three ways. For what others *hold* (a lock, permits, somebody's end) it may wait without
//! end, in the order of ranks: the holder will let go of it. For what others must *bring* (a message, a byte, a signal) it may
//! wait without end, and is counted while it does: `supply` brings what is missing. All other waits have a limit.

mod channels;
mod conditions;
mod crossings;
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

/// What actors choose from.
pub(crate) struct Mix {
    /// None has weight zero in the mix of a campaign; in that of a round most may have.
    operations: Vec<(&'static Operation, u64)>,
    /// Whoever holds something does something else meanwhile, once in so many times.
    pub(crate) lingers: u64,
    /// Or keeps it for some microseconds, once in so many times: so that others wait, and give up as it is handed on.
    pub(crate) keeps: u64,
    /// How many of each kind of lock there are.
    pub(crate) locks: u64,
}

impl Mix {
    fn of(tables: &[Table]) -> Mix {
        let operations = tables.iter().copied().flatten();
        Mix {
            operations: operations.map(|one| (one, one.weight)).collect(),
            lingers: 2,
            keeps: 2,
            locks: 2,
        }
    }

    /// The mix of one round: with all operations, or with a few, which then meet one another more often.
    pub(crate) fn narrowed(&self, random: &mut Random) -> Mix {
        let one_in = 1 + random.below(4);
        let mut operations = self.operations.clone();
        // The first, a leaf, stays in any case.
        for (_, weight) in operations.iter_mut().skip(1) {
            if random.below(one_in) > 0 {
                *weight = 0;
            }
        }
        Mix {
            operations,
            lingers: 2 << (3 * random.below(3)),
            keeps: 1 << random.below(4),
            locks: 1 + random.below(2),
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
            crossings::LOCKS,
            crossings::CONDITIONS,
            crossings::CHANNELS,
        ])
    }

    /// Locks and permits, with kills and limits.
    pub(crate) fn locks() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, locks::TABLE, crossings::LOCKS])
    }

    /// Conditions, barriers and events, with kills and limits.
    pub(crate) fn conditions() -> Mix {
        Mix::of(&[
            waits::TABLE,
            limits::TABLE,
            conditions::TABLE,
            crossings::CONDITIONS,
        ])
    }

    /// Who has a lock, with kills and limits.
    pub(crate) fn identity() -> Mix {
        Mix::of(&[waits::TABLE, limits::TABLE, identity::TABLE])
    }

    /// Channels, with kills and limits.
    pub(crate) fn channels() -> Mix {
        Mix::of(&[
            waits::TABLE,
            limits::TABLE,
            channels::TABLE,
            selects::TABLE,
            crossings::CHANNELS,
        ])
    }

    /// Any operation, or any leaf, and its number, which is not zero.
    pub(crate) fn choose(&self, random: &mut Random, leaf: bool) -> (usize, &'static Operation) {
        let eligible = || {
            let all = self.operations.iter().zip(1..);
            all.filter(|((operation, _), _)| operation.is_leaf || !leaf)
        };
        let mut left = random.below(eligible().map(|((_, weight), _)| weight).sum());
        for ((operation, weight), number) in eligible() {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return (number, operation),
            }
        }
        unreachable!("the number is below the sum of all weights")
    }

    /// The name of the operation of that number.
    pub(crate) fn name(&self, number: usize) -> &'static str {
        match number.checked_sub(1) {
            Some(at) => self.operations[at].0.name,
            None => "nothing",
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }
}
