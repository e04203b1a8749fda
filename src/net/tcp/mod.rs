//! TCP sockets.

mod connect;
mod listener;
mod options;
mod stream;

pub use listener::{Incoming, TcpListener};
pub use options::ListenOptions;
pub use stream::TcpStream;
