//! Tests of what concerns a whole process, or ends it, run in a process of their own.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;

/// Which test a child is to run, and its parameter.
const TEST: &str = "GREENHUB_TEST_CHILD";

/// How a child has ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// `None` within a child, which starts no others: what a test asserts about them is its parent's business.
    status: Option<ExitStatus>,
    stdout: String,
    stderr: String,
}

/// Runs `body` in a child process: this test binary again, for the test called `name` alone. In the child this does not
/// return: the process ends when `body` does.
pub(crate) fn run(name: &str, body: impl FnOnce()) -> Outcome {
    run_with(name, "", |_| body())
}

/// As [`run`], with a parameter, for a test that needs several children.
pub(crate) fn run_with(name: &str, parameter: &str, body: impl FnOnce(&str)) -> Outcome {
    let role = format!("{name} {parameter}");
    match std::env::var(TEST) {
        Ok(wanted) if wanted == role => {
            body(parameter);
            std::process::exit(0);
        }
        Ok(_) => Outcome::default(),
        Err(_) => start(name, &role),
    }
}

fn start(name: &str, role: &str) -> Outcome {
    let mut child = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(TEST, role)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child process");
    let stdout = drain(child.stdout.take().expect("it is piped"));
    let stderr = drain(child.stderr.take().expect("it is piped"));
    let pid = i32::try_from(child.id()).expect("a process id");
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait()));
    let status = match end.recv_timeout(super::patience()) {
        Ok(status) => status.expect("a child's end"),
        Err(_) => {
            // SAFETY: the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!(
                "{role}: the child hangs; it said {}",
                stderr.join().expect("its words")
            );
        }
    };
    Outcome {
        status: Some(status),
        stdout: stdout.join().expect("its words"),
        stderr: stderr.join().expect("its words"),
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read until then will do.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Outcome {
    /// The child must have come to its end, without a failed assertion.
    #[track_caller]
    pub(crate) fn assert_success(&self) -> &Outcome {
        self.check(|status| status.success(), "it was to succeed")
    }

    /// The child must have been ended by `signal`.
    #[track_caller]
    pub(crate) fn assert_signal(&self, signal: i32) -> &Outcome {
        self.check(
            |status| status.signal() == Some(signal),
            &format!("it was to end by signal {signal}"),
        )
    }

    /// The child must have exited with `code`.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Outcome {
        self.check(
            |status| status.code() == Some(code),
            &format!("it was to exit with {code}"),
        )
    }

    /// The child must have written `text` to stderr.
    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) -> &Outcome {
        self.check(
            |_| self.stderr.contains(text),
            &format!("it was to say {text:?}"),
        )
    }

    /// The child must not have written `text` to stderr.
    #[track_caller]
    pub(crate) fn assert_silent_about(&self, text: &str) -> &Outcome {
        self.check(
            |_| !self.stderr.contains(text),
            &format!("it was not to say {text:?}"),
        )
    }

    /// The words that follow `one` and `other` in what the child has written to stderr must be the same.
    #[track_caller]
    pub(crate) fn assert_same_word_after(&self, one: &str, other: &str) -> &Outcome {
        let after = |lead: &str| {
            self.stderr
                .split(lead)
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next())
        };
        self.check(
            |_| after(one).is_some() && after(one) == after(other),
            &format!("the same was to follow {one:?} and {other:?}"),
        )
    }

    /// Passes on what the child had to tell.
    pub(crate) fn relay(&self) {
        eprint!("{}", self.stderr);
    }

    #[track_caller]
    fn check(&self, holds: impl FnOnce(ExitStatus) -> bool, what: &str) -> &Outcome {
        if let Some(status) = self.status {
            assert!(
                holds(status),
                "{what}: {status}\n{}\n{}",
                self.stdout,
                self.stderr
            );
        }
        self
    }
}
