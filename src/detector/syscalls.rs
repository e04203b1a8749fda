//! Names of the system calls that can block a thread.

/// The name of a system call, if it is one that may block; otherwise empty.
pub(crate) fn name(number: i64) -> &'static str {
    TABLE
        .iter()
        .chain(OLDER)
        .find(|(known, _)| *known == number)
        .map_or("", |(_, name)| name)
}

macro_rules! table {
    ($($name:literal: $constant:ident),* $(,)?) => {
        &[$((libc::$constant as i64, $name)),*]
    };
}

/// Those that Linux has on every architecture.
#[cfg(target_os = "linux")]
#[allow(
    clippy::unnecessary_cast,
    reason = "the constants' type differs between architectures"
)]
const TABLE: &[(i64, &str)] = table! {
    "read": SYS_read, "write": SYS_write, "readv": SYS_readv, "writev": SYS_writev,
    "pread64": SYS_pread64, "pwrite64": SYS_pwrite64, "preadv": SYS_preadv, "pwritev": SYS_pwritev,
    "preadv2": SYS_preadv2, "pwritev2": SYS_pwritev2,
    "openat": SYS_openat, "close": SYS_close, "fsync": SYS_fsync, "fdatasync": SYS_fdatasync, "sync": SYS_sync,
    "syncfs": SYS_syncfs, "sync_file_range": SYS_sync_file_range, "ftruncate": SYS_ftruncate,
    "fallocate": SYS_fallocate, "flock": SYS_flock, "fcntl": SYS_fcntl, "ioctl": SYS_ioctl,
    "sendfile": SYS_sendfile, "splice": SYS_splice, "tee": SYS_tee, "vmsplice": SYS_vmsplice,
    "copy_file_range": SYS_copy_file_range, "getdents64": SYS_getdents64, "renameat2": SYS_renameat2,
    "unlinkat": SYS_unlinkat, "mkdirat": SYS_mkdirat, "statx": SYS_statx, "mount": SYS_mount, "umount2": SYS_umount2,
    "accept": SYS_accept, "accept4": SYS_accept4, "connect": SYS_connect, "recvfrom": SYS_recvfrom,
    "recvmsg": SYS_recvmsg, "recvmmsg": SYS_recvmmsg, "sendto": SYS_sendto, "sendmsg": SYS_sendmsg,
    "sendmmsg": SYS_sendmmsg,
    "ppoll": SYS_ppoll, "pselect6": SYS_pselect6, "epoll_pwait": SYS_epoll_pwait,
    "futex": SYS_futex, "nanosleep": SYS_nanosleep, "clock_nanosleep": SYS_clock_nanosleep,
    "wait4": SYS_wait4, "waitid": SYS_waitid, "rt_sigtimedwait": SYS_rt_sigtimedwait,
    "rt_sigsuspend": SYS_rt_sigsuspend, "semop": SYS_semop, "semtimedop": SYS_semtimedop, "msgrcv": SYS_msgrcv,
    "msgsnd": SYS_msgsnd, "mq_timedreceive": SYS_mq_timedreceive, "mq_timedsend": SYS_mq_timedsend,
    "io_getevents": SYS_io_getevents, "io_uring_enter": SYS_io_uring_enter,
    "mmap": SYS_mmap, "munmap": SYS_munmap, "mprotect": SYS_mprotect, "madvise": SYS_madvise, "msync": SYS_msync,
    "mlock": SYS_mlock, "execve": SYS_execve, "clone": SYS_clone, "clone3": SYS_clone3, "exit_group": SYS_exit_group,
    "sched_yield": SYS_sched_yield, "getrandom": SYS_getrandom, "membarrier": SYS_membarrier,
    "finit_module": SYS_finit_module, "ptrace": SYS_ptrace, "process_vm_readv": SYS_process_vm_readv,
};

/// Those that only the older architectures have.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const OLDER: &[(i64, &str)] = table! {
    "open": SYS_open, "creat": SYS_creat, "stat": SYS_stat, "lstat": SYS_lstat, "access": SYS_access,
    "rename": SYS_rename, "unlink": SYS_unlink, "mkdir": SYS_mkdir, "rmdir": SYS_rmdir, "getdents": SYS_getdents,
    "poll": SYS_poll, "select": SYS_select, "epoll_wait": SYS_epoll_wait, "pause": SYS_pause, "fork": SYS_fork,
    "vfork": SYS_vfork,
};

#[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
const OLDER: &[(i64, &str)] = &[];

#[cfg(not(target_os = "linux"))]
const TABLE: &[(i64, &str)] = &[];
#[cfg(not(target_os = "linux"))]
const OLDER: &[(i64, &str)] = &[];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::name;

    #[test]
    fn calls_that_block_have_names_and_others_have_none() {
        assert_eq!(name(libc::SYS_futex), "futex");
        assert_eq!(name(libc::SYS_read), "read");
        assert_eq!(name(libc::SYS_getpid), "");
        assert_eq!(name(-1), "");
    }
}
