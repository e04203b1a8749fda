//! Who watches a runtime's hubs: the blocking detector implements this.

use std::any::Any;
use std::fmt;

use super::lane::LaneKind;
use crate::greenlet::Hopeless;

/// Is told what a runtime's hubs do. Must neither suspend nor panic.
pub(crate) trait Observer: fmt::Debug + Send + Sync {
    /// Itself, for whoever knows what it is.
    fn as_any(&self) -> &dyn Any;

    /// A hub's thread, before its first slice.
    fn hub_begins(&self, lane: LaneKind, index: usize);

    /// The same thread, after its last one.
    fn hub_ends(&self, lane: LaneKind, index: usize);

    /// A hub that was idle, and counts as awake now, is about to run a greenlet.
    fn hub_wakes(&self);

    /// A greenlet of the main lane, in the hub's slice of this number, is about to block its thread for ever.
    fn wait_is_hopeless(&self, hub: usize, slice: u64, hopeless: Hopeless);

    /// The last hub's thread ends.
    fn hubs_have_ended(&self);
}
