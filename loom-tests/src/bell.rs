//! What a model's thread sleeps on.

use loom::sync::Notify;

/// Ends a wait, or the next one; any number of rings before that count as one. A hub's eventfd, or a run queue that a
/// sleeping hub takes a greenlet from. If nobody will ever ring, loom reports a deadlock: this is how the models find lost
/// wake-ups. Loom also has a wait end by itself now and then, as a poller's does.
#[derive(Debug)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell(Notify::new())
    }

    pub(crate) fn ring(&self) {
        self.0.notify();
    }

    /// Only one thread may wait.
    pub(crate) fn wait(&self) {
        self.0.wait();
    }
}
