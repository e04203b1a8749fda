//! Where a greenlet goes when it becomes ready.
//!
//! Settled greenlets are scheduled with their hub's [`Remote`], fresh and migrating ones with their [`Lane`].

use std::ptr;

use super::hopeless;
use super::hub::{self, Hub};
use super::lane::Lane;
use super::remote::Remote;
use crate::greenlet::{Hopeless, Ready, Schedule};
use crate::primitive::sync::Arc;

// SAFETY: a remote lies in its runtime's shared state, which the hub's thread holds until every greenlet that settled on
// it has ended. After the push in the outer branch the greenlet may end, and the state with it: only the driver is used
// then, and this thread has a share in it.
unsafe impl Schedule for Remote {
    #[inline]
    fn schedule(&self, ready: Ready) {
        hub::with_current_or(
            |_| true,
            |here| match here {
                Some(hub) if ptr::eq(hub.remote(), self) => {
                    if hub.context().greenlet().is_some() {
                        hub.push_woken(ready);
                    } else {
                        // Woken by the hub itself, for an event or a timer: in the order in which these came.
                        hub.push_back(ready);
                    }
                }
                _ => deliver(self, here, ready),
            },
        );
    }

    fn is_closing(&self) -> bool {
        runtime_is_closing()
    }

    fn tell_hopeless(&self, hopeless: &Hopeless) {
        hub::with_current(|hub| hopeless::tell(hub, hopeless));
    }
}

/// Leaves a greenlet that is settled on `remote` there, from a thread that is not its hub's: `here` is its own, if it has one.
/// By itself, so that what is woken at home, mostly, pays nothing for it.
#[inline(never)]
fn deliver(remote: &Remote, here: Option<&Hub>, ready: Ready) {
    let in_lane = |hub: &Hub| {
        let all = hub.lane().remotes().as_ptr_range();
        all.contains(&ptr::from_ref(remote))
    };
    if here.is_some_and(in_lane) {
        // A hub of the same lane, which keeps it where it is.
        if remote.deliver(ready) {
            remote.driver().notify();
        }
    } else {
        let driver = Arc::clone(remote.driver());
        if remote.deliver(ready) {
            driver.notify();
        }
    }
}

// SAFETY: a lane lies in its runtime's shared state, which the hubs' threads hold until every greenlet of the lane has
// ended; this thread keeps it for the time after the push.
unsafe impl Schedule for Lane {
    fn schedule(&self, ready: Ready) {
        hub::with_current_or(
            |hub| ptr::eq(hub.lane(), self),
            |here| match here {
                Some(hub) if hub.context().greenlet().is_some() => hub.push_stealable(ready),
                // Woken by the hub itself, which may count as idle still, and would notify itself.
                Some(hub) => hub.push_quietly(ready),
                None => {
                    let _kept = self.keep();
                    self.inject(ready);
                }
            },
        );
    }

    fn is_closing(&self) -> bool {
        runtime_is_closing()
    }

    fn tell_hopeless(&self, hopeless: &Hopeless) {
        hub::with_current(|hub| hopeless::tell(hub, hopeless));
    }
}

/// Asked by a greenlet, which runs on a hub of its own runtime.
fn runtime_is_closing() -> bool {
    hub::with_current(|hub| hub.shared().closing().is_raised()).unwrap_or(false)
}
