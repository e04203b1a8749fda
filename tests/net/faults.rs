//! System calls that fail, by way of strace where there is one.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use greenhub::net::{TcpListener, TcpStream};
use greenhub::runtime::Runtime;

use crate::worlds::{LONG, is_alone, pair, pattern, rerun, within};

/// Whether strace is here, and may trace.
fn strace_works() -> bool {
    Command::new("strace")
        .args(["-f", "-e", "trace=none", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a test of this binary again under strace, which makes some system calls fail. Without strace nothing is tested here:
/// `reactor_tests.rs` and `sources.rs` have a poller that refuses a descriptor.
fn with_fault(name: &str, fault: &str, body: fn()) {
    if is_alone(name) {
        return body();
    }
    if !strace_works() {
        return eprintln!("{name}: no strace, not tested");
    }
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", "/dev/null", "-e", "signal=none", "-e", fault])
        .arg(std::env::current_exe().unwrap());
    rerun(name, command);
}

/// `reactor_tests.rs` counts what such a registration leaves behind. Here it must surface, and pass.
#[test]
fn a_registration_that_fails_is_an_error_of_the_call_and_the_next_succeeds() {
    with_fault(
        "faults::a_registration_that_fails_is_an_error_of_the_call_and_the_next_succeeds",
        // Counted for each thread. The first calls make the runtime. After that the hub registers and deregisters in turn,
        // so that every third call is now the one, now the other.
        "inject=epoll_ctl:error=ENOMEM:when=9+3",
        || {
            let scenario = || {
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                runtime.run(|| {
                    let mut refused = 0;
                    for round in 0..60 {
                        let (near, mut far) = pair();
                        let reader = greenhub::spawn(move || {
                            let first = (&near).read(&mut [0; 8]);
                            // Not registered, and not lost: the next wait tries again.
                            let failed = first
                                .as_ref()
                                .is_err_and(|error| error.raw_os_error() == Some(libc::ENOMEM));
                            assert!(failed || first.is_ok(), "{first:?}");
                            if failed {
                                let mut word = [0; 2];
                                while let Err(error) = (&near).read_exact(&mut word) {
                                    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
                                }
                            }
                            failed
                        });
                        // Whether it parks or fails first, it comes to wait for these.
                        while !reader.is_finished()
                            && !format!("{:?}", reader.greenlet()).contains("Parked(")
                        {
                            greenhub::yield_now();
                        }
                        far.write_all(&[round, round]).unwrap();
                        refused += usize::from(reader.join().unwrap());
                    }
                    assert!(refused > 5, "{refused}: nothing was refused");
                })
            };
            within(LONG, scenario, "a poller that is short of memory");
        },
    );
}

/// Interrupted calls are made again; nothing is lost or done twice.
#[test]
fn interrupted_calls_are_made_again() {
    with_fault(
        "faults::interrupted_calls_are_made_again",
        "inject=recvfrom,sendto,accept4:error=EINTR:when=3+7",
        || {
            let scenario = || {
                greenhub::run(|| {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap();
                    let server = greenhub::spawn(move || {
                        for _ in 0..20 {
                            let (mut stream, _) = listener.accept().unwrap();
                            let mut received = Vec::new();
                            stream.read_to_end(&mut received).unwrap();
                            assert!(received == pattern(100_000));
                        }
                    });
                    for _ in 0..20 {
                        let mut stream = TcpStream::connect(address).unwrap();
                        stream.write_all(&pattern(100_000)).unwrap();
                    }
                    server.join().unwrap();
                })
            };
            within(LONG, scenario, "interrupted calls");
        },
    );
}
