//! Tests that end their process, or look at all of it, run in a child: this very test binary, told to run one test.

use std::process::{Command, Output};

/// Set in a child, to the name of the test it is to run.
const VARIABLE: &str = "GREENHUB_FIBER_TEST_CHILD";

/// Runs `body` in a process of its own, and gives what became of it to the caller; in that process, runs `body` and
/// does not return. `test` is the full path of the calling test, such as `fiber::pool::tests::name`.
pub(super) fn run(test: &str, body: impl FnOnce()) -> Output {
    if std::env::var(VARIABLE).is_ok_and(|child| child == test) {
        body();
        std::process::exit(0);
    }
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, test)
        .output()
        .unwrap()
}

/// As [`run`], for a `body` that should come to its end.
pub(super) fn run_to_end(test: &str, body: impl FnOnce()) {
    let output = run(test, body);
    assert!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// How many mappings this process has.
pub(super) fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count()
}

/// How many bytes of this process are in memory.
pub(super) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * super::stack::page_size()
}
