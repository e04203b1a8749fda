//! Stretches in which no kill and no time limit is delivered.

use crate::context;
use crate::greenlet::{Greenlet, Interrupts};

/// While it lives no kill and no time limit is delivered to the greenlet, or OS thread, that raised it; one that comes
/// meanwhile is delivered at the first wait after. Held on the greenlet's own stack.
#[must_use = "the shield is lowered when it is dropped"]
pub(crate) struct Shield(Option<Greenlet>);

impl Shield {
    /// Raises one.
    pub(crate) fn raise() -> Shield {
        let greenlet = context::greenlet_handle();
        if let Some(greenlet) = &greenlet {
            greenlet.header().shield();
        }
        if greenlet.is_none() {
            context::with_interrupts(Interrupts::raise_shield);
        }
        Shield(greenlet)
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        match &self.0 {
            Some(greenlet) => greenlet.header().unshield(),
            None => {
                context::with_interrupts(Interrupts::lower_shield);
            }
        }
    }
}

/// Runs `f`, and delivers no kill and no [`timeout`](crate::timeout) from outside within it: what it begins, it ends. Either
/// is delivered at the first wait after. A timeout that begins within `f` is held back, too. Shields may nest.
///
/// ```
/// use std::time::Duration;
///
/// let result = greenhub::timeout(Duration::from_millis(1), || {
///     let saved = greenhub::shield(|| {
///         greenhub::sleep(Duration::from_millis(5));
///         "written to the end"
///     });
///     assert_eq!(saved, "written to the end");
///     greenhub::sleep(Duration::from_secs(60));
/// });
/// assert!(result.is_err());
/// ```
pub fn shield<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    let _shield = Shield::raise();
    f()
}
