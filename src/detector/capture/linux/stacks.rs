//! Stacks that people can read, made of copies. What is learnt of the program serves all of its runtimes.

use super::super::super::frame::Frame;
use super::snapshot::Snapshot;
use super::symbols::Symbols;
use super::unwind::Unwinder;
use crate::primitive::sync::Mutex;

/// Whether a copy is worth the trouble.
pub(super) const ARE_READ: bool = true;

static LEARNT: Mutex<Option<(Unwinder, Symbols)>> = Mutex::new(None);

/// The places that a copy shows, the innermost first.
pub(crate) fn resolve(snapshot: &Snapshot) -> Vec<Frame> {
    let mut learnt = LEARNT.lock();
    let (unwinder, symbols) = learnt.get_or_insert_with(|| (Unwinder::new(), Symbols::default()));
    let trace = unwinder.unwind(snapshot);
    symbols.frames(&trace, unwinder)
}
