//! Non-blocking mode, for as long as anybody here needs it.
//!
//! The mode belongs to the open file, which all duplicates of a descriptor share. Several sources may need it at once, so
//! those that do are counted, by open file, and **the last to leave puts back the mode that the first has found**. It does so
//! through its own descriptor: those of the others may be closed by then. To find the mode and to change it are one step,
//! under one lock.
//!
//! A terminal's open file is shared with others still: a shell's job has its standard input, output and error from one. Where
//! the system allows it, a terminal is opened anew, and the new file takes the place of the old one under the same number.
//! So nobody else's mode changes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::file::{self, FileId};
use super::terminal;
use crate::primitive::sync::Mutex;

/// Whatever is needed to be non-blocking. System calls are made under this lock, but none of them waits.
static NEEDED: Mutex<BTreeMap<FileId, Vec<Needed>>> = Mutex::new(BTreeMap::new());

/// An open file that somebody needs to be non-blocking.
#[derive(Debug)]
struct Needed {
    /// The descriptors of those who do: open, and the same number as often as it is needed.
    by: Vec<RawFd>,
    /// In which mode it is to be when nobody does any more.
    in_the_end: Mode,
    /// The number that stands for a new file now, and the file that it stood for.
    replaced: Option<(RawFd, OwnedFd)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Blocking,
    Nonblocking,
}

/// While this lives, a descriptor's open file is in non-blocking mode.
#[derive(Debug)]
pub(super) struct Nonblocking(Option<Member>);

#[derive(Debug)]
struct Member {
    file: FileId,
    fd: RawFd,
}

impl Nonblocking {
    /// For whoever does not need it, or has seen to it.
    pub(super) fn none() -> Nonblocking {
        Nonblocking(None)
    }

    /// Puts the open file of `owner`'s descriptor into non-blocking mode.
    ///
    /// # Safety
    ///
    /// This must be dropped before `owner` is, or mutably borrowed: the descriptor must be open then.
    pub(super) unsafe fn need(owner: &impl AsFd) -> io::Result<Nonblocking> {
        let fd = owner.as_fd();
        let id = FileId::of(fd)?;
        let mut needed = NEEDED.lock();
        let files = needed.entry(id).or_default();
        let same = files.iter_mut().find(|needed| needed.is_of(fd));
        let result = match same {
            Some(needed) => {
                needed.by.push(fd.as_raw_fd());
                Ok(())
            }
            // SAFETY: the caller's promise.
            None => unsafe { Needed::first(fd) }.map(|needed| files.push(needed)),
        };
        if files.is_empty() {
            needed.remove(&id);
        }
        result.map(|()| {
            Nonblocking(Some(Member {
                file: id,
                fd: fd.as_raw_fd(),
            }))
        })
    }

    /// The same for a duplicate of the descriptor that this is for.
    ///
    /// # Safety
    ///
    /// As for [`need`](Nonblocking::need).
    pub(super) unsafe fn need_by(&self, duplicate: &impl AsFd) -> Nonblocking {
        let Some(Member { file, fd }) = self.0 else {
            return Nonblocking(None);
        };
        let duplicate = duplicate.as_fd().as_raw_fd();
        let mut needed = NEEDED.lock();
        let mut files = needed.get_mut(&file).into_iter().flatten();
        if let Some(needed) = files.find(|needed| needed.by.contains(&fd)) {
            needed.by.push(duplicate);
        }
        Nonblocking(Some(Member {
            file,
            fd: duplicate,
        }))
    }
}

impl Drop for Nonblocking {
    fn drop(&mut self) {
        let Some(Member { file, fd }) = self.0.take() else {
            return;
        };
        let mut needed = NEEDED.lock();
        let Some(files) = needed.get_mut(&file) else {
            return;
        };
        let Some(at) = files.iter().position(|needed| needed.by.contains(&fd)) else {
            return;
        };
        // SAFETY: it is open, says `need`.
        let left = files[at].leave(unsafe { BorrowedFd::borrow_raw(fd) });
        if files[at].by.is_empty() {
            files.swap_remove(at);
        }
        if files.is_empty() {
            needed.remove(&file);
        }
        drop(needed);
        // Outside of the lock: to close a file may take a while.
        drop(left);
    }
}

impl Needed {
    /// Somebody is the first to need it.
    ///
    /// # Safety
    ///
    /// As for [`Nonblocking::need`].
    unsafe fn first(fd: BorrowedFd<'_>) -> io::Result<Needed> {
        let mut needed = Needed {
            by: vec![fd.as_raw_fd()],
            in_the_end: Mode::Blocking,
            replaced: None,
        };
        if file::is_nonblocking(fd)? {
            needed.in_the_end = Mode::Nonblocking;
        } else if let Some(old) = terminal::reopen(fd) {
            needed.replaced = Some((fd.as_raw_fd(), old));
        } else {
            file::set_nonblocking(fd, true)?;
        }
        Ok(needed)
    }

    /// It is `fd`'s open file.
    fn is_of(&self, fd: BorrowedFd<'_>) -> bool {
        // SAFETY: open, says the field.
        let known = unsafe { BorrowedFd::borrow_raw(self.by[0]) };
        file::are_same(known, fd)
    }

    /// One does not need it any longer. Gives the file to close, if it is one.
    fn leave(&mut self, fd: BorrowedFd<'_>) -> Option<OwnedFd> {
        let number = fd.as_raw_fd();
        if let Some(at) = self.by.iter().position(|by| *by == number) {
            self.by.swap_remove(at);
        }
        if self.by.is_empty() && self.in_the_end == Mode::Blocking {
            // It fails for no open file. Others fail with that, too.
            let _ = file::set_nonblocking(fd, false);
        }
        if self.by.contains(&number) {
            return None;
        }
        let (_, old) = self.replaced.take_if(|(replaced, _)| *replaced == number)?;
        terminal::put_back(fd, old.as_fd());
        Some(old)
    }
}

/// The mode of `fd`'s open file from now on, or, if somebody needs it to be non-blocking, when nobody does any more.
pub(super) fn set_mode(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let id = FileId::of(fd)?;
    let mut needed = NEEDED.lock();
    let mut files = needed.get_mut(&id).into_iter().flatten();
    if let Some(needed) = files.find(|needed| needed.is_of(fd)) {
        needed.in_the_end = if nonblocking {
            Mode::Nonblocking
        } else {
            Mode::Blocking
        };
        return Ok(());
    }
    file::set_nonblocking(fd, nonblocking)
}
