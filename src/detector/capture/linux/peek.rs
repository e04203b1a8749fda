//! Reading this process's memory through the system, which copies what is there and says so where nothing is. Another
//! thread may be writing it meanwhile: what comes may be torn, but it is no data race of this program's, and no fault.

/// The unit in which memory is there or not, at the least.
const PAGE: usize = 4096;

/// Pages that one piece may span.
const PAGES: usize = 17;

/// Fills `to` from `address` on, and says how much of it could be read: as far as the memory goes, at most. Some
/// containers forbid it; then that is nothing.
pub(crate) fn peek(address: u64, to: &mut [u8]) -> usize {
    let mut done = 0;
    while done < to.len() {
        let Some(from) = usize::try_from(address)
            .ok()
            .and_then(|address| address.checked_add(done))
        else {
            break;
        };
        let (asked, read) = peek_pages(from, &mut to[done..]);
        done += read;
        if read < asked {
            break;
        }
    }
    done
}

/// The same, for some pages at most: how many bytes that is, and how many could be read.
fn peek_pages(from: usize, to: &mut [u8]) -> (usize, usize) {
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
    (asked, usize::try_from(read).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_far_as_it_goes() {
        let bytes: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
        let mut copy = vec![0; bytes.len()];
        assert_eq!(peek(bytes.as_ptr() as u64, &mut copy), bytes.len());
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
        assert_eq!(peek(mapping as u64 - 100, &mut [0; 300]), 100);
    }

    #[test]
    fn addresses_that_are_nowhere_are_no_fault() {
        for address in [0, 1, 8, u64::MAX - 4, u64::MAX, 1 << 63, 0xdead_beef_0000] {
            assert_eq!(peek(address, &mut [0; 64]), 0, "{address:#x}");
        }
    }
}
