//! A server: accepts connections, one greenlet each, until it is told to stop.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::time::Duration;
//!
//! use greenhub::net::server::Server;
//! use greenhub::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = Server::new(TcpListener::bind("127.0.0.1:0")?).max_connections(1000);
//! let (address, handle) = (server.listener().local_addr()?, server.handle());
//!
//! let serving = greenhub::spawn({
//!     let handle = handle.clone();
//!     move || {
//!         server.serve(move |mut stream: TcpStream, _peer| {
//!             let mut buffer = [0; 512];
//!             // Between two requests a connection may be told to stop; within one it may not.
//!             while let Some(Ok(n @ 1..)) = handle.idle(|| stream.read(&mut buffer)) {
//!                 if stream.write_all(&buffer[..n]).is_err() {
//!                     return;
//!                 }
//!             }
//!         })
//!     }
//! });
//!
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(b"hello")?;
//! client.read_exact(&mut [0; 5])?;
//!
//! handle.stop(Duration::from_secs(10));
//! let served = serving.join().unwrap()?;
//! assert_eq!((served.drained(), served.killed()), (1, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # A stop, step by step
//!
//! 1. [`ServerHandle::stop`] says so to everybody who asks ([`ServerHandle::is_stopping`]), and ends the waits of connections
//!    that are between two requests ([`ServerHandle::idle`]).
//! 2. The acceptor ends, and the listener is closed: new clients are refused.
//! 3. The connections are waited for. What has not ended when the time is up is killed, and waited for.
//! 4. [`Server::serve`] returns, and tells how many have ended which way.
//!
//! ```text
//!   listener   what a server can accept from; which errors of an accept mean what
//!   roll       who is connected, and to which hub: the bound, the spread, the end
//!   idlers     who is between two requests
//!   shared     both of them, and the flag
//!   handle     ServerHandle: stop, idle, figures
//!   acceptor   the loop that accepts
//!   serving    Server
//! ```

mod acceptor;
mod handle;
mod idlers;
mod listener;
mod roll;
mod serving;
mod shared;

pub use handle::{ServerHandle, ServerMetrics};
pub use listener::Listener;
pub use serving::{Served, Server};
