//! A server in a process of its own, and the conversation with it.
//!
//! The child writes a line with its port. For each line that it reads it writes one with the CPU time that it has used, in
//! nanoseconds. The end of its input ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A server, as the client's process sees it.
pub(crate) struct Contestant {
    name: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Contestant {
    /// The command-line word that makes a process a contestant. Not in the help: only this program says it.
    pub(crate) const COMMAND: &'static str = "--serve";

    pub(crate) fn start(name: &str, workers: usize) -> Result<Contestant, String> {
        let mut command = match name {
            "go" => go(workers)?,
            _ => {
                let mut command =
                    Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
                command.args([Contestant::COMMAND, name, &workers.to_string()]);
                command
            }
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let requests = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        answers
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let port = line
            .trim()
            .parse()
            .map_err(|_| format!("it said {line:?}, no port"))?;
        Ok(Contestant {
            name: name.to_owned(),
            child,
            requests,
            answers,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU time that the server has used so far.
    pub(crate) fn cpu_time(&mut self) -> Duration {
        let mut line = String::new();
        writeln!(self.requests).expect("the child listens");
        self.answers
            .read_line(&mut line)
            .expect("the child answers");
        Duration::from_nanos(line.trim().parse().expect("a number of nanoseconds"))
    }
}

impl Drop for Contestant {
    /// Killed, not asked: it may be the one that hangs.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Go's, built if there is a Go.
fn go(workers: usize) -> Result<Command, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/net-echo/echo.go");
    let program = std::env::current_exe()
        .map_err(|error| error.to_string())?
        .with_file_name("net-echo-go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&program, &source])
        .env("GO111MODULE", "off")
        .status()
        .map_err(|error| format!("go: {error}"))?;
    if !built.success() {
        return Err(format!("go build: {built}"));
    }
    let mut command = Command::new(program);
    command.env("GOMAXPROCS", workers.to_string());
    Ok(command)
}
