//! Greenlets that belong together.

use std::fmt;
use std::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::spawning::spawn;
use crate::greenlet::{Greenlet, JoinError, WaitKind};
use crate::primitive::sync::{Arc, Mutex};
use crate::wait::{JoinHandle, Locked, Node, Shield, Token, Wait, WaitQueue};

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
    handles: Mutex<Vec<JoinHandle<T>>>,
    state: Arc<WaitQueue<State>>,
}

/// What the members have come to.
#[derive(Debug, Default)]
struct State {
    alive: usize,
    /// Which one failed first, if one did.
    failed: Option<usize>,
}

/// Goes with a member's closure, and is dropped when that has ended, or is not to run.
struct Member {
    index: usize,
    succeeded: bool,
    state: Arc<WaitQueue<State>>,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.alive -= 1;
        if !self.succeeded {
            state.failed = state.failed.or(Some(self.index));
        }
        if state.alive == 0 || !self.succeeded {
            state.complete_all(Token::Retry);
        }
    }
}

impl<T: Send + 'static> Group<T> {
    /// An empty group.
    #[must_use]
    pub fn new() -> Group<T> {
        Group {
            handles: Mutex::new(Vec::new()),
            state: Arc::default(),
        }
    }

    /// Spawns a greenlet that belongs to the group, as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, f: F) -> Greenlet
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let mut handles = self.handles.lock();
        self.state.lock().alive += 1;
        let mut member = Member {
            index: handles.len(),
            succeeded: false,
            state: Arc::clone(&self.state),
        };
        let handle = spawn(Location::caller(), move || {
            let value = f();
            member.succeeded = true;
            drop(member);
            value
        });
        let greenlet = handle.greenlet().clone();
        handles.push(handle);
        greenlet
    }

    /// How many of the greenlets have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().alive
    }

    /// All greenlets have ended, or there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks all greenlets to end: see [`Greenlet::kill`]. Does not wait for that.
    pub fn kill(&self) {
        let greenlets: Vec<Greenlet> = self
            .handles
            .lock()
            .iter()
            .map(|handle| handle.greenlet().clone())
            .collect();
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
        self.wait_until(|state| state.alive == 0 || state.failed.is_some());
        let failed = self.state.lock().failed;
        if failed.is_some() {
            self.end();
        }
        let mut results: Vec<_> = self.into_results().collect();
        if let Some(failed) = failed {
            results.swap_remove(failed)?;
        }
        results.into_iter().collect()
    }

    /// Waits for all greenlets, and returns the value or the error of each, in the order of their spawning.
    ///
    /// If the caller is killed meanwhile, or its [`timeout`](crate::timeout) passes, the greenlets are killed, and have ended
    /// before the caller unwinds.
    #[track_caller]
    pub fn join_all(self) -> Vec<Result<T, JoinError>> {
        self.wait_until(|state| state.alive == 0);
        self.into_results().collect()
    }

    /// Of greenlets that have ended, but for the last few steps.
    #[track_caller]
    fn into_results(self) -> impl Iterator<Item = Result<T, JoinError>> {
        self.handles
            .into_inner()
            .into_iter()
            .map(|handle| shielded(|| handle.join()))
    }

    #[track_caller]
    fn wait_until(&self, done: impl Fn(&State) -> bool) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.wait(&done))) {
            // What unwinds must not wait: it waits here, and goes on after.
            self.end();
            resume_unwind(payload);
        }
    }

    /// Kills all, and waits for their end.
    #[track_caller]
    fn end(&self) {
        self.kill();
        shielded(|| self.wait(&|state| state.alive == 0));
    }

    #[track_caller]
    fn wait(&self, done: &dyn Fn(&State) -> bool) {
        let look = |state: &mut Locked<'_, State>, _: &Node| done(state).then_some(());
        while !done(&self.state.lock()) {
            let _look_again = self
                .state
                .wait(Wait::new(WaitKind::Join, None), look, |_| ());
        }
    }
}

#[track_caller]
fn shielded<R>(f: impl FnOnce() -> R) -> R {
    let _shield = Shield::raise();
    f()
}

impl<T: Send + 'static> Default for Group<T> {
    fn default() -> Self {
        Group::new()
    }
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("alive", &self.state.lock().alive)
            .finish_non_exhaustive()
    }
}
