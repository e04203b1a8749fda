//! A listener for thousands who connect in one moment.

use std::io;
use std::net::SocketAddr;

use greenhub::net::TcpListener;
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted. std asks for 128; whoever comes then tries again after a second.
const BACKLOG: i32 = 4096;

/// Listens on `address`.
///
/// # Errors
///
/// The system's.
pub fn on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    std::net::TcpListener::from(socket).try_into()
}
