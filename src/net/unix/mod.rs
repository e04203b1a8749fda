//! Sockets that connect the processes of one machine: [`std::os::unix::net`] for greenlets.
//!
//! An address is a path, or, on Linux, a name in a space of its own ([`SocketAddr`] is std's type, with
//! [`SocketAddrExt`](std::os::linux::net::SocketAddrExt) for the names). What [`net`](crate::net) says of TCP holds for these
//! too.
//!
//! ```
//! use std::io::{Read, Write};
//! use greenhub::net::unix::UnixStream;
//!
//! # fn main() -> std::io::Result<()> {
//! greenhub::run(|| {
//!     let (mut near, mut far) = UnixStream::pair()?;
//!     greenhub::spawn(move || far.write_all(b"hello"));
//!     let mut text = String::new();
//!     near.read_to_string(&mut text)?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! })
//! # }
//! ```

mod address;
mod datagram;
mod listener;
mod stream;

pub use std::os::unix::net::SocketAddr;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use stream::UnixStream;
