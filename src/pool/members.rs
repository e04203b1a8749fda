//! The list of those who belong together, and are killed together.
//!
//! **A kill reaches every member whose spawn has begun before it.** One that is listed already is killed by the killer, who has
//! counted his kill in the same hold of the lock in which he looked at the list. One that is not, because its spawner has not got
//! so far, is killed by its spawner, who lists it under that lock, and finds there that the count has changed since the spawn
//! began. So a member that kills all its like, itself among them, need not wait until it is on the list.
//!
//! Nothing of the user's is done under the lock: members are moved into the list, and what is taken out is dropped by whoever
//! called, after the lock is released.

use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::sync::Mutex;

/// A list shorter than this is not worth looking for members who have ended.
const FEW: usize = 64;

/// Those who belong together.
#[derive(Debug)]
pub(crate) struct Members<M> {
    /// How many kills there were. Changed under the lock.
    kills: AtomicUsize,
    list: Mutex<List<M>>,
}

#[derive(Debug)]
struct List<M> {
    members: Vec<M>,
    /// With so many it is time to look for those who have ended.
    crowded: usize,
}

/// How many kills there had been when a spawn began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(usize);

/// What became of a member that was listed.
#[must_use = "whoever was killed meanwhile is the spawner's to kill"]
pub(crate) struct Listed<M> {
    is_killed: bool,
    /// Those who have ended, to be dropped without the lock.
    ended: Vec<M>,
}

impl<M> Listed<M> {
    /// Drops those who have ended. `true`: all have been killed since its spawn began.
    pub(crate) fn settle(self) -> bool {
        drop(self.ended);
        self.is_killed
    }
}

impl<M> Members<M> {
    /// Nobody yet.
    pub(crate) fn new() -> Members<M> {
        Members {
            kills: AtomicUsize::new(0),
            list: Mutex::new(List {
                members: Vec::new(),
                crowded: FEW,
            }),
        }
    }

    /// A member is about to be spawned.
    pub(crate) fn begin(&self) -> Began {
        // Relaxed: a kill that comes after this load, in whatever way, cannot be seen by it.
        Began(self.kills.load(Ordering::Relaxed))
    }

    /// It has been spawned. Members who have ended, as `has_ended` says, need not stay.
    pub(crate) fn list(
        &self,
        member: M,
        began: Began,
        has_ended: impl Fn(&M) -> bool,
    ) -> Listed<M> {
        let mut list = self.list.lock();
        list.members.push(member);
        Listed {
            // Relaxed: it is changed under the lock.
            is_killed: self.kills.load(Ordering::Relaxed) != began.0,
            ended: list.take_ended(has_ended),
        }
    }

    /// A kill: `name` is called with each member that is there, under the lock; those who are not yet are seen to by their spawners.
    pub(crate) fn kill<G>(&self, name: impl FnMut(&M) -> G) -> Vec<G> {
        let list = self.list.lock();
        // Relaxed: it is changed under the lock.
        self.kills.fetch_add(1, Ordering::Relaxed);
        list.members.iter().map(name).collect()
    }

    /// All who are listed, in the order in which they were.
    pub(crate) fn into_list(self) -> Vec<M> {
        self.list.into_inner().members
    }
}

impl<M> List<M> {
    /// Takes those out who have ended, if there are enough of them to be worth the look: half of the list, or nearly.
    fn take_ended(&mut self, has_ended: impl Fn(&M) -> bool) -> Vec<M> {
        if self.members.len() < self.crowded {
            return Vec::new();
        }
        let (ended, alive) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(has_ended);
        self.members = alive;
        self.crowded = self.members.len().saturating_mul(2).max(FEW);
        ended
    }
}

#[cfg(test)]
#[cfg(not(greenhub_loom))]
mod tests {
    use super::{FEW, Members};

    #[test]
    fn those_who_have_ended_do_not_stay() {
        let members = Members::new();
        let (mut most, mut gone) = (0, 0);
        for number in 0..10 * FEW {
            // The last three are alive.
            let listed = members.list(number, members.begin(), |one| one + 3 < number);
            gone += listed.ended.len();
            most = most.max(number + 1 - gone);
        }
        assert!(most <= FEW, "{most} were listed");
        let left = members.into_list();
        assert!(left.into_iter().eq(gone..10 * FEW));
    }

    #[test]
    fn who_is_alive_stays_however_many_they_are() {
        let members = Members::new();
        for number in 0..10 * FEW {
            let listed = members.list(number, members.begin(), |_| false);
            assert!(listed.ended.is_empty());
        }
        assert!(members.into_list().into_iter().eq(0..10 * FEW));
    }

    #[test]
    fn a_kill_during_a_spawn_is_the_spawners() {
        let members = Members::new();
        let before = members.begin();
        assert_eq!(members.kill(|one: &u8| *one), []);
        assert!(members.list(1, before, |_| false).settle());
        let after = members.begin();
        assert!(!members.list(2, after, |_| false).settle());
        assert_eq!(members.kill(|one| *one), [1, 2]);
    }
}
