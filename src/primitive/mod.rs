//! The words that everything above is spelled in: std's, or loom's under `cfg(greenhub_loom)`.
//!
//! Every layer may use this one. No other file names `std::sync::atomic` or loom, so that whatever is built from
//! these types can be put before the model checker with its production code. `peek` reads what no type could promise to be there.

mod no_unwind;
#[cfg(not(greenhub_loom))]
mod peek;
#[cfg(not(greenhub_loom))]
mod std_impl;
pub(crate) use no_unwind::NoUnwind;
#[cfg(not(greenhub_loom))]
pub(crate) use peek::peek;
#[cfg(not(greenhub_loom))]
pub(crate) use std_impl::*;

/// A function that is `const` but for loom, whose types have no `const` constructors.
#[cfg(not(greenhub_loom))]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
#[cfg(greenhub_loom)]
#[allow(unused_macros, reason = "for the types that are modelled")]
macro_rules! const_fn {
    ($($function:tt)*) => {
        $($function)*
    };
}
#[allow(unused_imports, reason = "for the types that are modelled")]
pub(crate) use const_fn;

#[cfg(greenhub_loom)]
mod loom_impl;
#[cfg(greenhub_loom)]
pub(crate) use loom_impl::*;
