//! Stacks that people can read, made of copies. One unwinder serves all of the process's runtimes: what it learns of the
//! program is the same for all.

use super::super::super::frame::Frame;
use super::snapshot::Snapshot;
use super::symbols;
use super::unwind::Unwinder;
use crate::primitive::sync::Mutex;

/// Whether a copy is worth the trouble.
pub(super) const ARE_READ: bool = true;

static UNWINDER: Mutex<Option<Unwinder>> = Mutex::new(None);

/// The places that a copy shows, the innermost first.
pub(crate) fn resolve(snapshot: &Snapshot) -> Vec<Frame> {
    let mut unwinder = UNWINDER.lock();
    let unwinder = unwinder.get_or_insert_with(Unwinder::new);
    let trace = unwinder.unwind(snapshot);
    symbols::frames(&trace, unwinder)
}
