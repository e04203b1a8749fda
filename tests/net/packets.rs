//! Reads that give less than was asked for, and leave something.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net;

use greenhub::net::unix::{UnixListener, UnixStream};
use greenhub::net::{Source, TcpStream};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::worlds::{Folder, LONG, SHORT, everywhere};

/// Waits in vain, so that from now on what is known of the socket counts.
fn wait_for(mut stream: impl Read) {
    assert!(greenhub::timeout(SHORT / 10, || stream.read(&mut [0; 8])).is_err());
}

/// Reads with more room than there are bytes.
fn assert_reads(mut stream: impl Read, expected: &[&[u8]]) {
    for expected in expected {
        let mut buffer = [0; 64];
        let read = greenhub::timeout(LONG / 2, || stream.read(&mut buffer));
        let count = read.expect("what is there is not read").unwrap();
        assert_eq!(&buffer[..count], *expected);
    }
}

fn packet_pair() -> (OwnedFd, Socket) {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    (near.into(), far)
}

#[test]
fn packets_are_read_one_by_one_to_the_last() {
    everywhere(|_| {
        let (near, far) = packet_pair();
        let near = UnixStream::from(near);
        wait_for(&near);
        for _ in 0..3 {
            for text in ["one", "two", "three"] {
                far.send(text.as_bytes()).unwrap();
            }
            assert_reads(&near, &[b"one", b"two", b"three"]);
        }
    });
}

/// It is the descriptor that counts, not the type that it was put into.
#[test]
fn packets_are_read_through_a_stream_of_any_type() {
    everywhere(|_| {
        let (near, far) = packet_pair();
        let near = TcpStream::from(near);
        wait_for(&near);
        for text in ["one", "two"] {
            far.send(text.as_bytes()).unwrap();
        }
        assert_reads(&near, &[b"one", b"two"]);
        let again = near.try_clone().unwrap();
        wait_for(&again);
        for text in ["three", "four"] {
            far.send(text.as_bytes()).unwrap();
        }
        assert_reads(&again, &[b"three", b"four"]);
    });
}

#[test]
fn a_listener_for_packets_gives_connections_with_packets() {
    everywhere(|_| {
        let folder = Folder::new();
        let address = SockAddr::unix(folder.join("sock")).unwrap();
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(1).unwrap();
        let listener = UnixListener::from(OwnedFd::from(listener));
        let far = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        far.connect(&address).unwrap();
        let (near, _) = listener.accept().unwrap();
        wait_for(&near);
        for text in ["one", "two"] {
            far.send(text.as_bytes()).unwrap();
        }
        assert_reads(&near, &[b"one", b"two"]);
    });
}

/// Sends bytes, and a descriptor with them.
fn send_with_descriptor(socket: &net::UnixStream, bytes: &[u8]) {
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        descriptor: libc::c_int,
    }
    // SAFETY: all-zero is valid for both, and the message names what outlives the call.
    unsafe {
        let mut control: Control = std::mem::zeroed();
        control.header.cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as _;
        control.header.cmsg_level = libc::SOL_SOCKET;
        control.header.cmsg_type = libc::SCM_RIGHTS;
        control.descriptor = socket.as_raw_fd();
        let mut part = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = control.header.cmsg_len;
        let sent = libc::sendmsg(socket.as_raw_fd(), &message, 0);
        assert_eq!(sent, bytes.len() as isize);
    }
}

/// A read ends where a descriptor was passed.
#[test]
fn what_follows_a_passed_descriptor_is_read() {
    everywhere(|_| {
        let (near, far) = net::UnixStream::pair().unwrap();
        let near = UnixStream::try_from(near).unwrap();
        wait_for(&near);
        send_with_descriptor(&far, b"one");
        send_with_descriptor(&far, b"two");
        (&far).write_all(b"three").unwrap();
        assert_reads(&near, &[b"one", b"two", b"three"]);
        // The end, too.
        drop(far);
        assert_reads(&near, &[b""]);
    });
}

/// What a source may be of: several messages are there, and each read gives one.
#[cfg(target_os = "linux")]
#[test]
fn sources_that_give_a_message_at_a_time_are_read_to_the_last() {
    everywhere(|_| {
        // SAFETY: no pointer is passed, and the descriptor is new.
        let counter =
            unsafe { File::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_SEMAPHORE)) };
        let counter = Source::new(counter).unwrap();
        wait_for(&counter);
        counter.get_ref().write_all(&3_u64.to_ne_bytes()).unwrap();
        assert_reads(&counter, &[&1_u64.to_ne_bytes()[..]; 3]);
        wait_for(&counter);

        // A pipe of packets.
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors, which are new.
        let [near, mut far] = unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT), 0);
            ends.map(|end| File::from_raw_fd(end))
        };
        let near = Source::new(near).unwrap();
        wait_for(&near);
        for text in ["one", "two"] {
            far.write_all(text.as_bytes()).unwrap();
        }
        assert_reads(&near, &[b"one", b"two"]);
        wait_for(&near);

        let (near, far) = net::UnixDatagram::pair().unwrap();
        let near = Source::new(near).unwrap();
        let mut buffer = [0; 8];
        assert!(
            greenhub::timeout(SHORT / 10, || near.read_with(|near| near.recv(&mut [0]))).is_err()
        );
        for text in ["one", "", "three"] {
            far.send(text.as_bytes()).unwrap();
        }
        for length in [3, 0, 5] {
            let read = near.read_with(|near| near.recv(&mut buffer));
            assert_eq!(read.unwrap(), length);
        }

        let folder = Folder::new();
        // SAFETY: the path ends with a zero; the descriptor is new.
        let watch = unsafe {
            let watch = libc::inotify_init1(libc::IN_CLOEXEC);
            let path = std::ffi::CString::new(folder.join("").to_str().unwrap()).unwrap();
            assert_ne!(
                libc::inotify_add_watch(watch, path.as_ptr(), libc::IN_CREATE),
                -1
            );
            File::from_raw_fd(watch)
        };
        let watch = Source::new(watch).unwrap();
        wait_for(&watch);
        for name in ["one", "two"] {
            File::create(folder.join(name)).unwrap();
        }
        for name in ["one", "two"] {
            // Room for one event.
            let mut event = [0; 32];
            assert_eq!((&watch).read(&mut event).unwrap(), 32);
            assert!(event[16..].starts_with(name.as_bytes()));
        }
        wait_for(&watch);
    });
}
