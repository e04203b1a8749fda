//! Terminals, opened anew.
//!
//! The new file takes the place of the old one, under the same number: so what a source was made of reads and writes through
//! it. (libuv does the same.) It is of the same terminal, for the same kinds of access, so that nobody can tell but by its
//! mode.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::file;

/// Opens the terminal of `fd` once more, in non-blocking mode, and lets the number of `fd` stand for that; gives the file
/// that it stood for. `None`, and nothing has changed: it is no terminal, or the system does not let it be opened, as when it
/// belongs to another user.
pub(super) fn reopen(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let new = open_anew(fd)?;
    let old = fd.try_clone_to_owned().ok()?;
    file::replace(fd, new.as_fd()).ok()?;
    Some(old)
}

/// Lets the number of `fd` stand for `old` again.
pub(super) fn put_back(fd: BorrowedFd<'_>, old: BorrowedFd<'_>) {
    // It fails for no open file, and there is nothing to put back then.
    let _ = file::replace(fd, old);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_anew(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    use std::fs::OpenOptions;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;

    // SAFETY: no pointer is passed.
    if unsafe { libc::isatty(fd.as_raw_fd()) } == 0 || is_master(fd) {
        return None;
    }
    let flags = file::flags(fd).ok()?;
    let access = flags & libc::O_ACCMODE;
    let new = OpenOptions::new()
        .read(access != libc::O_WRONLY)
        .write(access != libc::O_RDONLY)
        .custom_flags(flags & libc::O_APPEND | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .ok()?;
    // What was opened as `/dev/tty` may be another terminal by now.
    (device(new.as_fd())? == device(fd)?).then(|| new.into())
}

/// The other side of a pseudo-terminal: to open that again is to make another pseudo-terminal.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_master(fd: BorrowedFd<'_>) -> bool {
    ask(fd, libc::TIOCGPTN).is_some()
}

/// Which terminal it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn device(fd: BorrowedFd<'_>) -> Option<libc::c_uint> {
    ask(fd, libc::TIOCGDEV)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask(fd: BorrowedFd<'_>, question: libc::Ioctl) -> Option<libc::c_uint> {
    use std::os::fd::AsRawFd;

    let mut answer: libc::c_uint = 0;
    // SAFETY: both questions are answered with one number, and it outlives the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), question, &raw mut answer) };
    (result == 0).then_some(answer)
}

/// Elsewhere it is not known how to tell the sides of a pseudo-terminal apart.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_anew(_fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    None
}
