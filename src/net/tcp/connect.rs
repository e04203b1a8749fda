//! Making a connection without blocking for it.

use std::io;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol};

use crate::net::modes::Patience;
use crate::net::nature::Nature;
use crate::net::socket::Socket;
use crate::net::sys;

/// Connects to one address. When patience ends first, the error is `WouldBlock`.
#[track_caller]
pub(super) fn connect(address: &SocketAddr, patience: Patience) -> io::Result<Socket<TcpStream>> {
    let socket = sys::stream_socket(Domain::for_address(*address), Some(Protocol::TCP))?;
    let begun = socket.connect(&(*address).into());
    let socket = Socket::new(TcpStream::from(socket), Nature::Tcp);
    match begun {
        Ok(()) => return Ok(socket),
        // An interrupted connect goes on by itself, as one in progress does.
        Err(error) if goes_on(&error) => {}
        Err(error) => return Err(error),
    }
    socket.connect_with(patience, outcome)?;
    Ok(socket)
}

fn goes_on(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
}

/// Whether the connection has been made; `WouldBlock` while nobody knows.
fn outcome(socket: &TcpStream) -> io::Result<()> {
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => match socket.take_error()? {
            Some(error) => Err(error),
            None => Err(io::ErrorKind::WouldBlock.into()),
        },
        // The peer's reset may come between the two: macOS says so with this.
        Err(error) => Err(socket.take_error()?.unwrap_or(error)),
    }
}
