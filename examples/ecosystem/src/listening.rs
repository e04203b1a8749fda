//! A listener for thousands who connect in one moment.

use std::io;
use std::net::SocketAddr;

use greenhub::net::{ListenOptions, TcpListener};

/// Connections that may wait to be accepted. std asks for 128; whoever comes then tries again after a second.
const BACKLOG: u32 = 4096;

/// Listens on `address`. What is written to the connections is sent at once: whoever writes here has gathered before.
///
/// # Errors
///
/// The system's.
pub fn on(address: SocketAddr) -> io::Result<TcpListener> {
    ListenOptions::new()
        .backlog(BACKLOG)
        .nodelay(true)
        .listen(address)
}
