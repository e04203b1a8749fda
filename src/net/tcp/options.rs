//! How a server's listener is made.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::listener::TcpListener;
use crate::net::address::{ToSocketAddrs, first_of};

/// Choices for a [`TcpListener`], to be made before it listens.
///
/// ```
/// use greenhub::net::ListenOptions;
///
/// # fn main() -> std::io::Result<()> {
/// let listener = ListenOptions::new()
///     .backlog(1024)
///     .nodelay(true)
///     .listen("127.0.0.1:0")?;
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
///
/// A listener for each hub, among which the system spreads the connections:
///
/// ```
/// use greenhub::net::ListenOptions;
///
/// # fn main() -> std::io::Result<()> {
/// let options = ListenOptions::new().reuse_port(true);
/// let first = options.listen("127.0.0.1:0")?;
/// let second = options.listen(first.local_addr()?)?;
/// # assert_eq!(first.local_addr()?, second.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it listens"]
pub struct ListenOptions {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
    nodelay: bool,
}

impl ListenOptions {
    /// What [`TcpListener::bind`] chooses.
    pub fn new() -> ListenOptions {
        ListenOptions {
            backlog: 128,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
            nodelay: false,
        }
    }

    /// How many connections may wait to be accepted; 128 unless this says otherwise. The system has a limit of its own
    /// (`net.core.somaxconn` on Linux).
    pub fn backlog(mut self, connections: u32) -> ListenOptions {
        self.backlog = connections;
        self
    }

    /// Whether an address may be bound that connections of an earlier listener still linger on (`SO_REUSEADDR`). So it is
    /// unless this says otherwise, as with std.
    pub fn reuse_address(mut self, reuse: bool) -> ListenOptions {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners, which all say so, may bind the same address (`SO_REUSEPORT`). On Linux each gets its share
    /// of the connections, and keeps those that wait to be accepted: accept from all of them.
    pub fn reuse_port(mut self, reuse: bool) -> ListenOptions {
        self.reuse_port = reuse;
        self
    }

    /// Whether a listener on a version 6 address refuses version 4 connections (`IPV6_V6ONLY`). The system decides unless
    /// this does.
    pub fn only_v6(mut self, only_v6: bool) -> ListenOptions {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Whether the accepted connections send small writes at once, as if each had
    /// [`set_nodelay`](crate::net::TcpStream::set_nodelay) called, without the call: they inherit it.
    pub fn nodelay(mut self, nodelay: bool) -> ListenOptions {
        self.nodelay = nodelay;
        self
    }

    /// Listens on an address, the first that can be had. The options may be used again.
    ///
    /// # Errors
    ///
    /// The error of the last address, or `InvalidInput` when there is none.
    #[track_caller]
    pub fn listen<A: ToSocketAddrs>(&self, address: A) -> io::Result<TcpListener> {
        first_of(address, |address| self.listen_on(address))
    }

    fn listen_on(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if let (Some(only_v6), SocketAddr::V6(_)) = (self.only_v6, address) {
            socket.set_only_v6(only_v6)?;
        }
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        std::net::TcpListener::from(socket).try_into()
    }
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions::new()
    }
}
