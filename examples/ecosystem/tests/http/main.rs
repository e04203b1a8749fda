//! The HTTP server, through everything that clients do to it.

mod bodies;
mod heads;
mod stopping;
mod support;
