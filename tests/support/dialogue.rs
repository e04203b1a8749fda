//! A child process that is talked to while it runs: what it writes to stderr is read line by line, and it goes on when it is
//! told to.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Names the test that a child process is to run: as `tests/common` does.
const CHILD: &str = "GREENHUB_TEST_CHILD";

/// A child that runs one test, and its lines.
pub(crate) struct Dialogue {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// All that was said so far.
    said: String,
}

/// The parent's side of the test called `test`, whose body runs in the child.
pub(crate) fn begin(test: &str, environment: &[(&str, &str)]) -> Dialogue {
    let mut child = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .env("RUST_BACKTRACE", "0")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child process starts");
    let stderr = child.stderr.take().expect("it is piped");
    Dialogue {
        child,
        lines: BufReader::new(stderr).lines(),
        said: String::new(),
    }
}

/// Whether this process is the child that runs `test`.
pub(crate) fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|name| name == test)
}

/// The child's side: waits until it is told to go on.
pub(crate) fn wait_for_parent() {
    let read = std::io::stdin().lock().read_exact(&mut [0]);
    read.expect("the parent says so");
}

impl Dialogue {
    pub(crate) fn pid(&self) -> libc::pid_t {
        self.child.id().try_into().expect("a process id")
    }

    /// Reads up to a line that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.expect("stderr can be read");
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
        panic!("the child ended without {text:?}; it said:\n{}", self.said);
    }

    /// Tells the child to go on.
    pub(crate) fn go_on(&mut self) {
        let mut stdin = self.child.stdin.as_ref().expect("it is piped");
        stdin.write_all(&[0]).expect("the child listens");
    }

    /// Waits for the child's end, which must be a good one: all that it has said.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        for line in self.lines.by_ref() {
            self.said.push_str(&line.expect("stderr can be read"));
            self.said.push('\n');
        }
        let status = self.child.wait().expect("the child can be waited for");
        assert!(status.success(), "{status}\n{}", self.said);
        self.said
    }
}
