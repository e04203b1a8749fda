//! The bridge to `async` code.
