//! Locks and what else greenlets and OS threads coordinate with.
