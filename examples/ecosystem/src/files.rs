//! How many files, and so connections, the process may have open.

use std::io;

/// What a process needs beside its connections: the terminal, the hubs' pollers.
const RESERVE: u64 = 64;

/// How many connections may be open at once: as many as `wanted`, or else what the system lets an ordinary process have.
///
/// # Errors
///
/// The system's.
pub fn room_for(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call only writes the struct that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < wanted.saturating_add(RESERVE) {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the call only reads the struct that it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(wanted.min(limit.rlim_cur.saturating_sub(RESERVE)))
}
