//! Descriptors that are not this crate's sockets.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use greenhub::net::Source;
use greenhub::runtime::Runtime;

use crate::worlds::{LONG, SHORT, Task, World, everywhere, pair, pattern, until_parked, within};

/// Both ends of a pipe: what is written to the second can be read from the first.
pub(crate) fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: they are new.
    ends.map(|end| unsafe { File::from_raw_fd(end) }).into()
}

fn is_nonblocking(io: &impl AsRawFd) -> bool {
    // SAFETY: no pointer is passed.
    let flags = unsafe { libc::fcntl(io.as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn a_pipe_is_read_and_written_like_a_stream() {
    everywhere(|world| {
        let (near, far) = pipe();
        let (mut near, mut far) = (Source::new(near).unwrap(), Source::new(far).unwrap());
        // Far more than fits: both wait.
        let writer = world.spawn(move || far.write_all(&pattern(1 << 20)).unwrap());
        let mut received = Vec::new();
        near.read_to_end(&mut received).unwrap();
        writer.join();
        assert!(received == pattern(1 << 20));
    });
}

#[test]
fn a_source_is_shared_by_reference() {
    everywhere(|world| {
        let (near, mut far) = pipe();
        let near = Arc::new(Source::new(near).unwrap());
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let near = Arc::clone(&near);
                world.spawn(move || {
                    let mut byte = [0];
                    (&*near).read_exact(&mut byte).unwrap();
                    byte[0]
                })
            })
            .collect();
        readers.iter().for_each(Task::until_parked);
        far.write_all(&[1, 2, 3]).unwrap();
        let mut bytes: Vec<_> = readers.into_iter().map(Task::join).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, [1, 2, 3]);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_eventfd_is_waited_for() {
    everywhere(|world| {
        // SAFETY: no pointer is passed, and the descriptor is new.
        let counter = unsafe { File::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
        let mut other = counter.try_clone().unwrap();
        let counter = Source::new(counter).unwrap();
        let waiter = world.spawn(move || {
            let mut count = [0; 8];
            counter.read_with(|mut file| file.read(&mut count)).unwrap();
            u64::from_ne_bytes(count)
        });
        waiter.until_parked();
        other.write_all(&7_u64.to_ne_bytes()).unwrap();
        assert_eq!(waiter.join(), 7);
    });
}

#[test]
fn readable_means_that_a_read_does_not_block_and_not_that_it_once_did_not() {
    everywhere(|world| {
        let (near, far) = UnixStream::pair().unwrap();
        let near = Arc::new(Source::new(near).unwrap());
        assert!(!near.readable_timeout(SHORT).unwrap());
        (&far).write_all(b"x").unwrap();
        // As often as one likes, while it is so.
        for _ in 0..3 {
            near.readable().unwrap();
        }
        assert!(near.readable_timeout(LONG).unwrap());
        // Read behind the source's back: an edge that is remembered must not count.
        assert_eq!(near.get_ref().read(&mut [0; 8]).unwrap(), 1);
        let began = Instant::now();
        assert!(!near.readable_timeout(SHORT).unwrap());
        assert!(began.elapsed() >= SHORT);
        let waiter = {
            let near = Arc::clone(&near);
            world.spawn(move || near.readable().unwrap())
        };
        waiter.until_parked();
        (&far).write_all(b"y").unwrap();
        waiter.join();
        near.readable().unwrap();
        // The end can be read, too.
        drop(far);
        near.readable().unwrap();
        assert_eq!(near.get_ref().read(&mut [0; 8]).unwrap(), 1);
        near.readable().unwrap();
        assert_eq!(near.get_ref().read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn writable_waits_for_room() {
    everywhere(|world| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = Source::new(near).unwrap();
        near.writable().unwrap();
        let mut sent = 0;
        while let Ok(n) = near.get_ref().write(&[0; 65_536]) {
            sent += n;
        }
        assert!(!near.writable_timeout(SHORT).unwrap());
        let writer = world.spawn(move || near.writable().map(|()| near).unwrap());
        writer.until_parked();
        far.read_exact(&mut vec![0; sent]).unwrap();
        writer.join();
    });
}

#[test]
fn several_sources_of_one_descriptor_wait_on_one_hub() {
    fn scenario(world: World) {
        let (near, far) = UnixStream::pair().unwrap();
        let near = Arc::new(near);
        // Room for no more, and nothing to read.
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(n) = (&*near).write(&[0; 65_536]) {
            sent += n;
        }
        let reader = {
            let near = Arc::clone(&near);
            world.spawn(move || Source::new(near.as_fd()).unwrap().readable().unwrap())
        };
        reader.until_parked();
        let writer = world.spawn(move || Source::new(&*near).unwrap().writable().unwrap());
        writer.until_parked();
        (&far).read_exact(&mut vec![0; sent]).unwrap();
        writer.join();
        (&far).write_all(b"x").unwrap();
        reader.join();
    }
    // Seen to fail, with `AlreadyExists`, without the duplicate that the second registers.
    within(
        LONG,
        || {
            let runtime = Runtime::builder().hubs(1).build().unwrap();
            runtime.run(|| scenario(World::Settled));
            scenario(World::Threads);
        },
        "two sources of one descriptor",
    );
}

#[test]
fn what_the_system_cannot_wait_for_is_refused_with_a_word_about_it() {
    everywhere(|_| {
        for path in ["/proc/self/exe", "/"] {
            let error = Source::new(File::open(path).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("offload"), "{error}");
        }
        // Always ready: no wait is needed.
        let null = Source::new(File::open("/dev/null").unwrap()).unwrap();
        null.readable().unwrap();
        assert_eq!((&null).read(&mut [0; 8]).unwrap(), 0);
    });
}

/// epoll refuses it. Nothing is left behind by the attempt: the same can be asked for again and again.
#[cfg(target_os = "linux")]
#[test]
fn a_wait_that_the_poller_refuses_is_an_error() {
    within(
        LONG,
        || {
            greenhub::run(|| {
                let null = Source::new(File::open("/dev/null").unwrap()).unwrap();
                for _ in 0..100 {
                    let refused = null.read_with(|_| -> io::Result<()> {
                        // What it never says of itself.
                        Err(ErrorKind::WouldBlock.into())
                    });
                    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
                }
            })
        },
        "a refused wait",
    );
}

#[test]
fn the_blocking_mode_comes_back() {
    everywhere(|_| {
        let (near, _far) = UnixStream::pair().unwrap();
        let source = Source::new(&near).unwrap();
        assert!(is_nonblocking(&near));
        drop(source);
        assert!(!is_nonblocking(&near));
        let near = Source::new(near).unwrap().into_inner();
        assert!(!is_nonblocking(&near));
        near.set_nonblocking(true).unwrap();
        drop(Source::new(&near).unwrap());
        assert!(is_nonblocking(&near));
    });
}

/// Whoever leaves first, and through whichever descriptor.
#[test]
fn the_blocking_mode_comes_back_with_the_last_source_of_an_open_file() {
    everywhere(|world| {
        for first_leaves_first in [true, false] {
            let (near, mut far) = pipe();
            let near = Arc::new(near);
            let duplicate = near.try_clone().unwrap();
            let sources = [
                Source::new(Arc::clone(&near)).unwrap(),
                Source::new(Arc::clone(&near)).unwrap(),
                Source::new(Arc::new(duplicate)).unwrap(),
            ];
            let mut sources = Vec::from(sources);
            if !first_leaves_first {
                sources.reverse();
            }
            while let Some(source) = sources.pop() {
                assert!(is_nonblocking(&near));
                assert!(!source.readable_timeout(SHORT / 10).unwrap());
                if sources.is_empty() {
                    // Whoever reads still waits without blocking a hub.
                    let reader = world.spawn(move || {
                        source
                            .read_with(|near| (&**near).read(&mut [0; 8]))
                            .unwrap()
                    });
                    reader.until_parked();
                    far.write_all(b"x").unwrap();
                    assert_eq!(reader.join(), 1);
                }
            }
            assert!(!is_nonblocking(&near));
        }
    });
}

#[test]
fn open_files_of_one_file_come_back_one_by_one() {
    everywhere(|_| {
        let (near, far) = pipe();
        // One file, opened for reading and for writing.
        let (first, second) = (Source::new(&near).unwrap(), Source::new(&far).unwrap());
        drop(second);
        assert!(is_nonblocking(&near) && !is_nonblocking(&far));
        drop(first);
        assert!(!is_nonblocking(&near));
    });
}

/// To the system all of these are one file.
#[cfg(target_os = "linux")]
#[test]
fn counters_come_back_one_by_one() {
    everywhere(|_| {
        let counters: Vec<File> = (0..3)
            // SAFETY: no pointer is passed, and the descriptor is new.
            .map(|_| unsafe { File::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) })
            .collect();
        counters[1..]
            .iter()
            .for_each(|counter| assert!(!is_nonblocking(counter)));
        let mut sources: Vec<_> = counters.iter().map(|it| Source::new(it).unwrap()).collect();
        for (left, counter) in counters.iter().enumerate() {
            drop(sources.remove(0));
            assert!(!is_nonblocking(counter));
            counters[left + 1..]
                .iter()
                .for_each(|other| assert!(is_nonblocking(other)));
        }
    });
}

#[test]
fn a_mode_that_was_found_stays_whoever_else_leaves() {
    everywhere(|_| {
        let (near, _far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let (first, second) = (Source::new(&near).unwrap(), Source::new(&near).unwrap());
        drop(first);
        drop(second);
        assert!(is_nonblocking(&near));
    });
}

/// A socket of ours that becomes std's again must not block the source that another handle of it is in.
#[test]
fn a_socket_that_becomes_stds_waits_for_the_sources_of_it() {
    everywhere(|_| {
        let (near, _far) = pair();
        let source = Source::new(near.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let near = std::net::TcpStream::try_from(near).unwrap();
        assert!(is_nonblocking(&near));
        assert!(!source.readable_timeout(SHORT / 10).unwrap());
        drop(source);
        assert!(!is_nonblocking(&near));
    });
}

/// Safe code that breaks what a source asks of it.
struct Fickle {
    ends: [OwnedFd; 2],
    second: AtomicBool,
}

impl AsFd for Fickle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let second = self.second.fetch_not(Ordering::Relaxed);
        self.ends[usize::from(second)].as_fd()
    }
}

#[test]
fn a_source_that_changes_its_mind_about_its_descriptor_disturbs_nobody_else() {
    everywhere(|world| {
        for _ in 0..20 {
            let (near, far) = UnixStream::pair().unwrap();
            let fickle = Source::new(Fickle {
                ends: [near.into(), far.into()],
                second: AtomicBool::new(false),
            })
            .unwrap();
            for _ in 0..3 {
                assert!(!fickle.readable_timeout(SHORT / 20).unwrap());
            }
            drop(fickle);
            // The numbers are used again, and whoever waits for them is woken.
            let (near, mut far) = pair();
            let reader = world.spawn(move || (&near).read_exact(&mut [0; 2]).unwrap());
            reader.until_parked();
            far.write_all(b"ok").unwrap();
            reader.join();
        }
    });
}

#[test]
fn a_kill_and_a_timeout_end_a_wait_and_lose_nothing() {
    let scenario = || {
        greenhub::run(|| {
            let (near, mut far) = pipe();
            let near = Arc::new(Source::new(near).unwrap());
            for round in 0..20 {
                let late = greenhub::timeout(SHORT / 10, || near.readable());
                assert!(late.is_err());
                let late = greenhub::timeout(SHORT / 10, || (&*near).read(&mut [0; 8]));
                assert!(late.is_err());
                let reader = {
                    let near = Arc::clone(&near);
                    greenhub::spawn(move || (&*near).read(&mut [0; 8]).unwrap())
                };
                until_parked(&reader);
                reader.kill();
                assert!(reader.join().unwrap_err().is_killed());
                far.write_all(&[round]).unwrap();
                let mut byte = [0];
                (&*near).read_exact(&mut byte).unwrap();
                assert_eq!(byte, [round]);
            }
        })
    };
    within(LONG, scenario, "a source's wait that ends early");
}
