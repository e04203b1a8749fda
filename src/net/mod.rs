//! TCP, UDP and [Unix sockets](unix) as in std, but a greenlet that waits lets others run; and [`Source`] for whatever else
//! can be polled.
//!
//! The types have std's names, methods, traits and errors, and std's documentation is theirs. What differs:
//!
//! - A call that has to wait parks its greenlet instead of blocking the OS thread. On a plain OS thread it blocks that
//!   thread, as std's does.
//! - Reader and writer may be different greenlets, on different hubs: share a reference or use
//!   [`try_clone`](TcpStream::try_clone).
//! - A [kill](crate::Greenlet::kill) ends a wait. Nothing that was read, written or accepted is lost to it.
//! - `set_nonblocking` does not change the mode that the system keeps, which is shared with whoever has a duplicate, but has
//!   std's effect on a socket and its clones. On Linux a std socket that becomes one of these keeps its mode: what was cloned
//!   from it before goes on blocking, as its owner expects. A listener does not, as there is no call that accepts without
//!   waiting: its std clones fail with `WouldBlock` as long as it lives.
//! - Dropping a socket that lingers (`SO_LINGER`) does not wait: an OS thread does, and the port is free when it has.
//! - Names in addresses are resolved elsewhere, so that the hub goes on: [`ToSocketAddrs`] is a trait of this crate, in std's
//!   shape.
//! - [`ListenOptions`] makes listeners with a backlog of one's own, or several on one port.
//!
//! ```
//! use std::io::{Read, Write};
//! use greenhub::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! greenhub::run(|| {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     greenhub::spawn(move || {
//!         let (mut peer, _) = listener.accept()?;
//!         peer.write_all(b"hello")
//!     });
//!     let mut text = String::new();
//!     TcpStream::connect(address)?.read_to_string(&mut text)?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! })
//! # }
//! ```

mod accept;
mod address;
mod file;
mod handle;
mod lingering;
mod modes;
mod nature;
mod nonblocking;
mod pause;
mod pollable;
mod registered;
pub mod server;
mod socket;
mod source;
mod sys;
mod tcp;
mod terminal;
mod traits;
mod udp;
pub mod unix;
mod watch;

pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};

pub use address::ToSocketAddrs;
pub use source::Source;
pub use tcp::{Incoming, ListenOptions, TcpListener, TcpStream};
pub use udp::UdpSocket;
