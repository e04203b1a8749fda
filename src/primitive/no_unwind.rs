//! Stretches of code that must not unwind, because somebody else would be left with what the stack holds.

/// Lives through such a stretch: dropped by an unwinding, it ends the process, which is better than undefined behaviour.
#[must_use = "it guards what comes until `end`"]
pub(crate) struct NoUnwind(());

impl NoUnwind {
    /// The stretch begins.
    #[inline(always)]
    pub(crate) fn begin() -> NoUnwind {
        NoUnwind(())
    }

    /// It is over.
    #[inline(always)]
    pub(crate) fn end(self) {
        std::mem::forget(self);
    }
}

impl Drop for NoUnwind {
    fn drop(&mut self) {
        abort_unless_modelled();
    }
}

/// A model's failed assertion has to get through.
#[cfg(greenhub_loom)]
fn abort_unless_modelled() {}

/// The panic itself has been reported already.
#[cfg(not(greenhub_loom))]
fn abort_unless_modelled() {
    std::process::abort();
}
