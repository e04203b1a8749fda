//! Saying which greenlet panicked.
//!
//! std's message names the thread, which says little when a thread runs thousands of greenlets. So the first runtime puts
//! a hook before the one that is there: one line with the greenlet's name, and then whatever was printed before.

use std::io::{self, Write};
use std::panic;

use crate::context;
use crate::primitive::sync::OnceLock;

static INSTALLED: OnceLock<()> = OnceLock::new();

/// Puts the hook in place, once a process.
pub(super) fn install() {
    INSTALLED.get_or_init(|| {
        if std::thread::panicking() {
            // std forbids it then; the next process-wide first runtime is rare enough to go without the line.
            return;
        }
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(greenlet) = context::greenlet_handle() {
                // A closed stderr must not turn a panic into an abort.
                let _ = writeln!(io::stderr(), "\n{} panicked:", greenlet.describe());
            }
            before(info);
        }));
    });
}
