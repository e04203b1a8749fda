//! Sockets, as std's behave: from settled greenlets, from migrating ones, from plain OS threads, and between them.

mod connecting;
mod conversions;
mod crowds;
mod empty;
mod ends;
mod faults;
mod greenlets;
mod kills;
mod lingering;
mod modes;
mod names;
mod options;
#[cfg(target_os = "linux")]
mod packets;
mod polling;
mod runtimes;
mod sources;
mod std_tcp;
mod std_tcp_handles;
mod std_udp;
mod std_unix;
#[cfg(target_os = "linux")]
mod terminals;
mod transfers;
mod udp;
mod unix;
mod vectored;
mod worlds;
