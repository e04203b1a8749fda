//! Stretches in which no kill is delivered.

use crate::context;
use crate::greenlet::Greenlet;

/// While it lives no kill is delivered to the greenlet that raised it; one that comes meanwhile is delivered at the first
/// wait after. On a plain OS thread it does nothing. Held on the greenlet's own stack.
#[must_use = "the shield is lowered when it is dropped"]
pub(crate) struct Shield(Option<Greenlet>);

impl Shield {
    /// Raises one.
    pub(crate) fn raise() -> Shield {
        let greenlet = context::greenlet_handle();
        if let Some(greenlet) = &greenlet {
            greenlet.header().shield();
        }
        Shield(greenlet)
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        if let Some(greenlet) = &self.0 {
            greenlet.header().unshield();
        }
    }
}
