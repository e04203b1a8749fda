//! The other side in a process of its own: this same program, started again with other options.
//!
//! The child prints its address as its first line, and serves until its standard input ends, which happens when its
//! parent goes, however that goes.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// The running child, as its parent sees it. Dropping it ends it.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    address: SocketAddr,
}

impl Peer {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or says no address.
    pub fn start(arguments: &[&str]) -> io::Result<Peer> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim_end().parse() {
            Ok(address) => Ok(Peer { process, address }),
            Err(_) => {
                drop(process.stdin.take());
                let status = process.wait()?;
                Err(io::Error::other(format!("it says no address ({status})")))
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Errors
    ///
    /// If it does not end well.
    pub fn end(mut self) -> io::Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("the server ended with {status}")))
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // the sign to end
        let _ = self.process.wait();
    }
}
