//! Reports as `tracing` events, with the feature of that name.

#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "tracing")]
pub(crate) use events::{blocked, yielded};

#[cfg(not(feature = "tracing"))]
mod nothing;
#[cfg(not(feature = "tracing"))]
pub(crate) use nothing::{blocked, yielded};
