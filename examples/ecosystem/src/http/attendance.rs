//! What a connection and its server tell each other.

use std::fmt;
use std::io;

use greenhub::net::server::ServerHandle;

/// Whether a connection shall go on.
pub trait Attendance: fmt::Debug {
    /// Waits with `wait` for the first bytes of a request. `None`: no more of them, please, whether `wait` had begun or not.
    fn idle(&self, wait: &mut dyn FnMut() -> io::Result<usize>) -> Option<io::Result<usize>>;

    /// This exchange shall be the last.
    fn is_stopping(&self) -> bool;
}

impl Attendance for ServerHandle {
    fn idle(&self, wait: &mut dyn FnMut() -> io::Result<usize>) -> Option<io::Result<usize>> {
        ServerHandle::idle(self, wait)
    }

    fn is_stopping(&self) -> bool {
        ServerHandle::is_stopping(self)
    }
}

/// Nobody keeps an eye on the connection.
impl Attendance for () {
    fn idle(&self, wait: &mut dyn FnMut() -> io::Result<usize>) -> Option<io::Result<usize>> {
        Some(wait())
    }

    fn is_stopping(&self) -> bool {
        false
    }
}
