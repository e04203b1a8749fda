//! Terminals, whose one open file is a program's standard input and output.

use std::fs::File;
use std::io::{Read, Write, stdin};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Stdio;

use greenhub::net::Source;

use crate::worlds::{LONG, SHORT, everywhere, is_alone, marked, within};

/// Both sides of a new pseudo-terminal.
fn terminal() -> (File, File) {
    // SAFETY: no pointer is passed; the descriptor is new.
    let master = unsafe {
        let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert_ne!(master, -1);
        assert_eq!(libc::grantpt(master), 0);
        assert_eq!(libc::unlockpt(master), 0);
        File::from_raw_fd(master)
    };
    let mut name = [0; 64];
    // SAFETY: there is as much room as is said.
    let result =
        unsafe { libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) };
    assert_eq!(result, 0);
    let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap();
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    (master, slave)
}

fn is_nonblocking(file: &impl AsFd) -> bool {
    // SAFETY: no pointer is passed.
    let flags = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
}

fn set_nonblocking(file: &impl AsFd, nonblocking: bool) {
    let file = file.as_fd();
    socket2::SockRef::from(&file)
        .set_nonblocking(nonblocking)
        .unwrap();
}

/// Far more than a terminal takes at once.
const LINES: usize = 5_000;

/// `println!` fails if it would have to wait and must not.
#[test]
fn a_source_of_the_standard_input_leaves_the_output_as_it_is() {
    let name = "terminals::a_source_of_the_standard_input_leaves_the_output_as_it_is";
    if is_alone(name) {
        return chat();
    }
    let scenario = move || {
        let (mut master, slave) = terminal();
        // One open file, three descriptors.
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let mut child = marked(name)
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        drop(slave);
        master.write_all(b"first\nsecond\n").unwrap();
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        // Slowly enough for it to be full. It ends with an error when the last who has the other side goes.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            said.extend_from_slice(&buffer[..count]);
            std::thread::yield_now();
        }
        let said = String::from_utf8_lossy(&said);
        let status = child.wait().unwrap();
        assert!(
            status.success(),
            "{status}: {}",
            &said[said.len().saturating_sub(2_000)..]
        );
        assert_eq!(said.matches("a line of output").count(), LINES);
    };
    within(LONG, scenario, "a chat on a terminal");
}

/// The child's part.
fn chat() {
    let (input, output) = (stdin(), std::io::stdout());
    greenhub::run(|| {
        let source = Source::new(stdin()).unwrap();
        assert!(is_nonblocking(&source) && !is_nonblocking(&output));
        let again = Source::new(stdin()).unwrap();
        let mut line = [0; 64];
        assert_eq!((&source).read(&mut line).unwrap(), 6);
        assert!(line.starts_with(b"first\n"));
        (0..LINES).for_each(|_| println!("a line of output"));
        drop(source);
        assert!(is_nonblocking(&again) && !is_nonblocking(&output));
        assert_eq!((&again).read(&mut line).unwrap(), 7);
        assert!(line.starts_with(b"second\n"));
        assert!(!again.readable_timeout(SHORT).unwrap());
        assert!(greenhub::timeout(SHORT, || (&again).read(&mut line)).is_err());
    });
    // The old file is back: it shares its mode with the output.
    assert!(!is_nonblocking(&input));
    set_nonblocking(&output, true);
    assert!(is_nonblocking(&input));
    set_nonblocking(&output, false);
}

/// What is there comes line by line, and what is typed while a greenlet waits wakes it.
#[test]
fn a_terminal_is_read_line_by_line_and_written() {
    everywhere(|world| {
        let (mut master, slave) = terminal();
        let shared = slave.try_clone().unwrap();
        let slave = Source::new(slave).unwrap();
        assert!(!is_nonblocking(&shared));
        master.write_all(b"one\ntwo\n").unwrap();
        let mut line = [0; 64];
        for expected in ["one\n", "two\n"] {
            let count = (&slave).read(&mut line).unwrap();
            assert_eq!(&line[..count], expected.as_bytes());
        }
        let reader = world.spawn(move || {
            let count = (&slave).read(&mut line).unwrap();
            assert_eq!(&line[..count], b"three\n");
            slave
        });
        reader.until_parked();
        master.write_all(b"three\n").unwrap();
        let slave = reader.join();
        let count = LINES * 10;
        let writer = world.spawn(move || {
            (0..count).for_each(|_| (&slave).write_all(b"a line of output\n").unwrap());
            slave.into_inner()
        });
        writer.until_parked();
        // The other side is never opened anew: that would be another terminal.
        let master = Source::new(master).unwrap();
        // Each line feed becomes two bytes. The input is echoed first.
        let echo = "one\r\ntwo\r\nthree\r\n".len();
        let mut said = vec![0; echo + count * "a line of output\r\n".len()];
        (&master).read_exact(&mut said).unwrap();
        assert!(said.ends_with(b"a line of output\r\n"));
        let slave = writer.join();
        assert!(!is_nonblocking(&slave));
        set_nonblocking(&shared, true);
        assert!(is_nonblocking(&slave));
    });
}
