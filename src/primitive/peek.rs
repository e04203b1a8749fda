//! Reading this process's memory through the system, which copies what is there and says so where nothing is. Another
//! thread may be writing it meanwhile: what comes may be torn, but it is no data race of this program's, and no fault.

use std::io;

/// The unit in which memory is there or not, at the least.
#[cfg(target_os = "linux")]
const PAGE: usize = 4096;

/// Pages that one piece may span.
#[cfg(target_os = "linux")]
const PAGES: usize = 17;

/// Fills `to` from `address` on, and says how much of it could be read: as far as the memory goes.
///
/// # Errors
///
/// If the system does not let us: some containers forbid it, and only Linux has it.
#[cfg(target_os = "linux")]
pub(crate) fn peek(address: usize, to: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let (true, Some(from)) = (done < to.len(), address.checked_add(done)) {
        let (asked, read) = peek_pages(from, &mut to[done..])?;
        done += read;
        if read < asked {
            break;
        }
    }
    Ok(done)
}

/// As on Linux.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peek(_: usize, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The same, for some pages at most: how many bytes that is, and how many could be read.
#[cfg(target_os = "linux")]
fn peek_pages(from: usize, to: &mut [u8]) -> io::Result<(usize, usize)> {
    // One entry a page, because the system may give up on a whole entry for one page that is missing.
    let mut remote = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; PAGES];
    let mut asked = 0;
    let mut entries = 0;
    while asked < to.len() && entries < PAGES {
        let Some(address) = from.checked_add(asked) else {
            break;
        };
        let length = (PAGE - address % PAGE).min(to.len() - asked);
        remote[entries].iov_base = std::ptr::without_provenance_mut(address);
        remote[entries].iov_len = length;
        asked += length;
        entries += 1;
    }
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: asked,
    };
    // SAFETY: it writes to `to` alone, and looks itself whether what it reads is there.
    let read = unsafe {
        libc::process_vm_readv(
            libc::getpid(),
            &local,
            1,
            remote.as_ptr(),
            entries as libc::c_ulong,
            0,
        )
    };
    match usize::try_from(read) {
        Ok(read) => Ok((asked, read)),
        Err(_) => match io::Error::last_os_error() {
            // Nothing is there, not even the first byte.
            error if error.raw_os_error() == Some(libc::EFAULT) => Ok((asked, 0)),
            error => Err(error),
        },
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_far_as_it_goes() {
        let bytes: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
        let mut copy = vec![0; bytes.len()];
        assert_eq!(peek(bytes.as_ptr().addr(), &mut copy).unwrap(), bytes.len());
        assert!(copy == bytes);
        // SAFETY: a new mapping of two pages, the second of which is taken away again.
        let mapping = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let size = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let mapping = libc::mmap(std::ptr::null_mut(), 2 * size, access, flags, -1, 0);
            assert_ne!(mapping, libc::MAP_FAILED);
            libc::mprotect(mapping.wrapping_byte_add(size), size, libc::PROT_NONE);
            mapping.wrapping_byte_add(size)
        };
        assert_eq!(peek(mapping.addr() - 100, &mut [0; 300]).unwrap(), 100);
    }

    #[test]
    fn addresses_that_are_nowhere_are_no_fault() {
        for address in [
            0,
            1,
            8,
            usize::MAX - 4,
            usize::MAX,
            1 << 63,
            0xdead_beef_0000,
        ] {
            assert_eq!(peek(address, &mut [0; 64]).unwrap(), 0, "{address:#x}");
        }
    }
}
