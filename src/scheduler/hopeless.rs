//! Telling of a wait that nothing can end, before it begins.

use std::io::Write;

use super::hub::Hub;
use super::lane::LaneKind;
use crate::greenlet::Hopeless;

/// The greenlet that runs here is about to wait like that. Says so to whoever watches, or else to stderr: if the holder has
/// started on this very hub, and can run on no other.
#[cold]
pub(crate) fn tell(hub: &Hub, hopeless: &Hopeless) {
    let Some(header) = hub.context().greenlet() else {
        return;
    };
    // SAFETY: the greenlet runs, so it is alive.
    let waits = unsafe { header.as_ref() };
    let is_holder = |id: u64| id == hopeless.holder.get() as u64;
    let handles = hub.core(|core| core.owned.handles());
    let settled = handles.iter().map(|one| one.id().as_u64().get());
    if !settled.chain([waits.id().as_u64().get()]).any(is_holder) {
        return;
    }
    let is_watched = hub.lane().kind() == LaneKind::Main;
    match hub.shared().observer().filter(|_| is_watched) {
        Some(observer) => {
            let slice = hub.heartbeat().running.number();
            observer.wait_is_hopeless(hub.remote().index(), slice, *hopeless);
        }
        None => {
            // Neither a panic, nor a second one, if nobody reads it.
            let _ = writeln!(
                std::io::stderr(),
                "greenhub: deadlock: {} blocks its hub: {hopeless}. A destructor that runs while a panic, a kill or a time limit \
                 unwinds must not wait for a greenlet of its own hub",
                waits.describe()
            );
        }
    }
}
