//! A thief's notes on its victims.
//!
//! A greenlet that stands alone in a busy hub's queue is most often about to be run by that hub: a spawn followed by a
//! join. To steal it at once would cost both hubs more than it brings. So a thief takes a lone greenlet only from a hub
//! that has been in one slice for a while; two or more it takes at once, half of them.

/// How many rounds of the search a victim's slice must have lasted before a lone greenlet is taken from it. A round is
/// some 0.3 µs, and a slice in which the victim makes a system call is no reason yet.
const LONE_ROUNDS: u32 = 48;

/// What stands for "a long time ago" when the thief has slept since.
const LONG_AGO: u32 = 1 << 16;

/// A thief's notes on hubs that have one stealable greenlet.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    round: u32,
    victims: Vec<Note>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// The victim's slice counter when its lone greenlet was first seen.
    slices: u64,
    /// In which round that was.
    round: u32,
    /// There is such a greenlet.
    lone: bool,
    /// It was seen twice in the same slice.
    ripens: bool,
}

impl Notes {
    /// For a lane of `hubs` hubs.
    pub(crate) fn new(hubs: usize) -> Notes {
        Notes {
            round: 0,
            victims: vec![Note::default(); hubs],
        }
    }

    /// The thief begins another round.
    pub(crate) fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// The thief has slept.
    pub(crate) fn slept(&mut self) {
        self.round = self.round.wrapping_add(LONG_AGO);
    }

    /// Some victim has been in one slice since its lone greenlet was first seen: a few rounds more, and it may be robbed.
    pub(crate) fn ripens(&self) -> bool {
        self.victims.iter().any(|note| note.ripens)
    }

    /// Notes what is to be seen; `true` if the victim may be robbed of it.
    pub(crate) fn may_rob(&mut self, victim: usize, stealable: usize, slices: u64) -> bool {
        let round = self.round;
        let note = &mut self.victims[victim];
        match stealable {
            1 if note.lone && note.slices == slices => {
                note.ripens = true;
                return round.wrapping_sub(note.round) >= LONE_ROUNDS;
            }
            1 => {
                *note = Note {
                    slices,
                    round,
                    lone: true,
                    ripens: false,
                }
            }
            _ => *note = Note::default(),
        }
        stealable > 1
    }
}

#[cfg(test)]
mod tests {
    use super::{LONE_ROUNDS, Notes};

    #[test]
    fn two_greenlets_are_fair_game_and_a_lone_one_only_in_a_long_slice() {
        let mut notes = Notes::new(2);
        assert!(notes.may_rob(1, 2, 7));
        assert!(!notes.may_rob(1, 1, 7));
        for _ in 0..LONE_ROUNDS {
            assert!(!notes.may_rob(1, 1, 7));
            notes.next_round();
        }
        assert!(notes.may_rob(1, 1, 7));
    }

    #[test]
    fn a_victim_that_moves_on_starts_the_count_again() {
        let mut notes = Notes::new(2);
        assert!(!notes.may_rob(1, 1, 7));
        notes.slept();
        assert!(!notes.may_rob(1, 1, 8));
        assert!(!notes.ripens());
        notes.slept();
        assert!(notes.may_rob(1, 1, 8));
        assert!(notes.ripens());
        assert!(!notes.may_rob(1, 0, 8));
        assert!(!notes.ripens());
    }
}
