//! TCP as in [`std::net`], but a greenlet that waits lets others run.
//!
//! The types have std's names, methods, traits and errors, and std's documentation is theirs. What differs:
//!
//! - A call that has to wait parks its greenlet instead of blocking the OS thread. On a plain OS thread it blocks that
//!   thread, as std's does.
//! - Reader and writer may be different greenlets, on different hubs: share a reference or use
//!   [`try_clone`](TcpStream::try_clone).
//! - A [kill](crate::Greenlet::kill) ends a wait. Nothing that was read, written or accepted is lost to it.
//! - Underneath the descriptors are in non-blocking mode, always. `set_nonblocking` has std's effect all the same.
//! - Names in addresses are still resolved by std, on the spot: that blocks the hub for as long as the resolver takes.
//!   Numeric addresses do not. A later release resolves names elsewhere.
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

mod modes;
pub mod server;
mod source;
mod sys;
mod tcp;

pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
    ToSocketAddrs,
};

pub use tcp::{Incoming, TcpListener, TcpStream};
