//! Open files, of whatever kind, and the descriptors that stand for them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockRef;

/// What the system calls a file. Several open files may be of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file of `fd`.
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields are not as wide on every system"
    )]
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<FileId> {
        let status = status(fd)?;
        Ok(FileId {
            device: status.st_dev as u64,
            inode: status.st_ino as u64,
        })
    }
}

/// Whether this is the kind of file that systems tell the readiness of.
pub(super) fn may_be_polled(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let kind = status(fd)?.st_mode & libc::S_IFMT;
    Ok(![libc::S_IFREG, libc::S_IFDIR, libc::S_IFBLK].contains(&kind))
}

fn status(fd: BorrowedFd<'_>) -> io::Result<libc::stat> {
    // SAFETY: all-zero is a valid `stat`.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: it outlives the call.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &mut status) })?;
    Ok(status)
}

/// Puts the open file into non-blocking mode, or out of it.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    SockRef::from(&fd).set_nonblocking(nonblocking)
}

/// Whether the open file is in non-blocking mode.
pub(super) fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(flags(fd)? & libc::O_NONBLOCK != 0)
}

/// What it was opened with, and its mode.
pub(super) fn flags(fd: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: no pointer is passed.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })
}

/// Lets the number of `fd` stand for the open file of `other`, too. Whether it is closed on exec does not change.
pub(super) fn replace(fd: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointer is passed.
    let own = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) })?;
    // SAFETY: no pointer is passed. What the number stands for is the caller's business.
    check(unsafe { libc::dup2(other.as_raw_fd(), fd.as_raw_fd()) })?;
    if own != 0 {
        // SAFETY: no pointer is passed.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, own) })?;
    }
    Ok(())
}

/// Whether two descriptors of one file stand for one open file, so that they share its mode. `true` also if the system does
/// not tell.
pub(super) fn are_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    one.as_raw_fd() == other.as_raw_fd() || ask_whether_same(one, other).unwrap_or(true)
}

/// An epoll instance knows what it waits for by open file and number. So a number that it knows is made to stand for the other
/// file, and it is asked whether it knows that.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask_whether_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<bool> {
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};

    // SAFETY: no pointer is passed; the descriptor is new.
    let epoll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
    let number = one.try_clone_to_owned()?;
    let control = |operation| {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: the event outlives the call.
        check(unsafe {
            libc::epoll_ctl(epoll.as_raw_fd(), operation, number.as_raw_fd(), &mut event)
        })
    };
    control(libc::EPOLL_CTL_ADD)?;
    replace(number.as_fd(), other)?;
    match control(libc::EPOLL_CTL_MOD) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What was opened for different kinds of access, as the ends of a pipe are, is not the same.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn ask_whether_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(flags(one)? == flags(other)?)
}

pub(super) fn check(result: i32) -> io::Result<i32> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn event_counter() -> OwnedFd {
        // SAFETY: no pointer is passed, and the descriptor is new.
        unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) }
    }

    #[test]
    fn duplicates_are_the_same_and_others_of_their_kind_are_not() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let pairs: [(OwnedFd, OwnedFd); 3] = [
            (near.into(), far.into()),
            (reader.into(), writer.into()),
            // All of these are one file, to the system.
            (event_counter(), event_counter()),
        ];
        for (one, other) in pairs {
            let duplicate = one.try_clone().unwrap();
            assert!(are_same(one.as_fd(), one.as_fd()));
            assert!(are_same(one.as_fd(), duplicate.as_fd()));
            assert!(!are_same(one.as_fd(), other.as_fd()));
        }
    }

    #[test]
    fn a_number_that_stands_for_another_file_keeps_what_is_its_own() {
        let null = File::open("/dev/null").unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        replace(near.as_fd(), null.as_fd()).unwrap();
        assert!(are_same(near.as_fd(), null.as_fd()));
        // SAFETY: no pointer is passed.
        let own = unsafe { libc::fcntl(near.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(own, libc::FD_CLOEXEC);
    }
}
