//! TCP sockets, as std's behave: from settled greenlets, from migrating ones, from plain OS threads, and between them.

mod connecting;
mod conversions;
mod ends;
mod greenlets;
mod modes;
mod sources;
mod transfers;
mod worlds;
