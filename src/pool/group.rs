//! Greenlets that belong together.

use std::fmt;
use std::panic::Location;

use super::ends::{Ends, Member, Number, State};
use super::members::Members;
use super::spawning::spawn;
use crate::greenlet::{Greenlet, JoinError};
use crate::primitive::sync::Arc;
use crate::wait::{JoinHandle, Shield, deliver, yield_if_overdue};

/// Greenlets that are joined, or killed, together: gevent's `Group`. Greenlets can be added to it from anywhere.
///
/// ```
/// use greenhub::pool::Group;
///
/// let group = Group::new();
/// for i in 1..=3 {
///     group.spawn(move || i * 10);
/// }
/// assert_eq!(group.join().unwrap(), [10, 20, 30]);
/// ```
///
/// Dropping it detaches the greenlets, which run on.
pub struct Group<T> {
    members: Members<(Number, JoinHandle<T>)>,
    ends: Arc<Ends>,
}

/// A closure and its membership; dropped in this order, so that what is captured is gone before the end is counted.
struct Task<F> {
    f: F,
    member: Member,
}

impl<F> Task<F> {
    fn run<T>(self) -> T
    where
        F: FnOnce() -> T,
    {
        let Task { f, member } = self;
        let value = f();
        member.succeed();
        value
    }
}

impl<T: Send + 'static> Group<T> {
    /// An empty group.
    #[must_use]
    pub fn new() -> Group<T> {
        Group {
            members: Members::new(),
            ends: Arc::new(Ends::new()),
        }
    }

    /// Spawns a greenlet that belongs to the group, as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn). The group is as before then.
    #[track_caller]
    pub fn spawn<F>(&self, f: F) -> Greenlet
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let began = self.members.begin();
        let (spawning, member) = Ends::begin(&self.ends);
        let task = Task { f, member };
        let handle = spawn(Location::caller(), move || task.run());
        let greenlet = handle.greenlet().clone();
        let member = (spawning.succeeded(), handle);
        if self.members.list(member, began, |_| false).settle() {
            greenlet.kill();
        }
        greenlet
    }

    /// How many of the greenlets have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        // A loop around this may wait for their ends.
        yield_if_overdue();
        self.ends.alive()
    }

    /// All greenlets have ended, or there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks all greenlets to end: see [`Greenlet::kill`]. Does not wait for that.
    pub fn kill(&self) {
        let greenlets = self.members.kill(|(_, handle)| handle.greenlet().clone());
        greenlets.iter().for_each(Greenlet::kill);
    }

    /// Waits for all greenlets, and returns their values in the order of their spawning.
    ///
    /// If the caller is killed meanwhile, or its [`timeout`](crate::timeout) passes, the greenlets are killed, and have ended
    /// before the caller unwinds.
    ///
    /// # Errors
    ///
    /// If one panics or is killed: the others are killed then, and have ended when this returns.
    #[track_caller]
    pub fn join(self) -> Result<Vec<T>, JoinError> {
        self.wait_or_end(State::is_decided);
        let failed = self.ends.first_failed();
        if failed.is_some() {
            self.end();
        }
        let mut results = self.into_results();
        if let Some(place) = results
            .iter()
            .position(|(number, _)| Some(*number) == failed)
        {
            results.swap_remove(place).1?;
        }
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Waits for all greenlets, and returns the value or the error of each, in the order of their spawning.
    ///
    /// If the caller is killed meanwhile, or its [`timeout`](crate::timeout) passes, the greenlets are killed, and have ended
    /// before the caller unwinds.
    #[track_caller]
    pub fn join_all(self) -> Vec<Result<T, JoinError>> {
        self.wait_or_end(State::is_over);
        let results = self.into_results();
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Of greenlets that have ended, but for the last few steps.
    #[track_caller]
    fn into_results(self) -> Vec<(Number, Result<T, JoinError>)> {
        let _shield = Shield::raise();
        let mut members = self.members.into_list();
        // Those who were spawned at the same time may have been listed in another order.
        members.sort_unstable_by_key(|(number, _)| *number);
        let mut results = Vec::with_capacity(members.len());
        // No closure: it would be its own caller.
        for (number, handle) in members {
            results.push((number, handle.join()));
        }
        results
    }

    /// Waits until it is `done`, or ends the greenlets and then the caller.
    #[track_caller]
    fn wait_or_end(&self, done: fn(&State) -> bool) {
        if let Err(interrupt) = self.ends.wait(done) {
            // What unwinds must not wait: it waits here, and unwinds after.
            self.end();
            deliver(interrupt);
        }
    }

    /// Kills all, and waits for their end.
    #[track_caller]
    fn end(&self) {
        // From the kills on: the destructor of a closure that has not begun runs here, and may wait.
        let _shield = Shield::raise();
        self.kill();
        let ended = self.ends.wait(State::is_over);
        debug_assert_eq!(ended, Ok(()), "it is shielded");
    }
}

impl<T: Send + 'static> Default for Group<T> {
    fn default() -> Self {
        Group::new()
    }
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("alive", &self.ends.alive())
            .finish_non_exhaustive()
    }
}
