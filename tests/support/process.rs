//! What the kernel knows of this process.

use std::fs;
use std::time::{Duration, Instant};

/// A process's possessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Possessions {
    pub(crate) fds: usize,
    pub(crate) mappings: usize,
    pub(crate) threads: usize,
    pub(crate) resident: usize,
}

/// This process's, at present.
pub(crate) fn possessions() -> Possessions {
    Possessions {
        fds: fds(),
        mappings: mappings(),
        threads: threads(),
        resident: resident(),
    }
}

/// How many file descriptors are open; the one that counts them is not counted.
pub(crate) fn fds() -> usize {
    entries("/proc/self/fd") - 1
}

/// How many mappings there are.
pub(crate) fn mappings() -> usize {
    read("/proc/self/maps").lines().count()
}

/// How many threads there are.
pub(crate) fn threads() -> usize {
    entries("/proc/self/task")
}

/// How many bytes of memory are resident.
pub(crate) fn resident() -> usize {
    statm(1)
}

/// How many bytes of address space are mapped.
pub(crate) fn address_space() -> usize {
    statm(0)
}

/// Bytes of memory that could be had without swapping.
pub(crate) fn available_memory() -> usize {
    let text = read("/proc/meminfo");
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))
        .expect("Linux tells");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number")
        * 1024
}

/// Waits until `condition` holds: a thread that has been joined may still be listed for a moment.
pub(crate) fn settles(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// What `setrlimit` calls a resource: its type differs from one C library to the next.
#[cfg(target_env = "gnu")]
pub(crate) type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
pub(crate) type Resource = libc::c_int;

/// Limits a resource of this process.
pub(crate) fn limit(resource: Resource, value: usize) {
    // SAFETY: zero is a valid value for each field.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid, and the soft limit stays within the hard one.
    unsafe {
        assert_eq!(libc::getrlimit(resource, &mut limit), 0);
        limit.rlim_cur = (value as libc::rlim_t).min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &limit), 0);
    }
}

/// Lifts such a limit.
pub(crate) fn unlimit(resource: Resource) {
    limit(resource, usize::MAX);
}

fn statm(field: usize) -> usize {
    let text = read("/proc/self/statm");
    let pages: usize = text
        .split_whitespace()
        .nth(field)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * page_size()
}

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: it only asks.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a size")
}

fn entries(path: &str) -> usize {
    fs::read_dir(path).expect("Linux tells").count()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).expect("Linux tells")
}
