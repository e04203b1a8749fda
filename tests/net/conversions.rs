//! Into std's types and back, and what else may be in a descriptor.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

use greenhub::net::unix::{UnixDatagram, UnixListener, UnixStream};
use greenhub::net::{TcpListener, TcpStream, UdpSocket};

use crate::worlds::{Folder, SHORT, everywhere, listen, pair};

#[test]
fn sockets_turn_into_stds_and_back() {
    everywhere(|_| {
        let (near, far) = pair();
        near.set_read_timeout(Some(SHORT)).unwrap();
        let clone = near.try_clone().unwrap();
        let mut near = std::net::TcpStream::try_from(near).unwrap();
        // It blocks, as std's do, and its timeout came along.
        assert!(!is_nonblocking(&near));
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let began = Instant::now();
        assert_eq!(
            near.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert!(began.elapsed() >= SHORT);
        // The clone shares the socket, so also its mode; it waits as before.
        assert_eq!(
            (&clone).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(clone);
        let near = TcpStream::try_from(near).unwrap();
        assert_eq!(is_nonblocking(&near), ADOPTED_IS_NONBLOCKING);
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let number = near.as_raw_fd();
        let near = OwnedFd::from(near);
        assert_eq!(near.as_raw_fd(), number);
        assert!(!is_nonblocking(&near));
        let near = TcpStream::from(near);
        assert_eq!(near.read_timeout().unwrap(), Some(SHORT));
        let number = near.into_raw_fd();
        // SAFETY: it was just given up.
        let near = unsafe { TcpStream::from_raw_fd(number) };
        (&far).write_all(b"x").unwrap();
        (&near).read_exact(&mut [0]).unwrap();

        let (listener, address) = listen();
        let listener = std::net::TcpListener::try_from(listener).unwrap();
        assert!(!is_nonblocking(&listener));
        let listener = TcpListener::try_from(listener).unwrap();
        assert!(is_nonblocking(&listener));
        let clone = listener.try_clone().unwrap();
        let other = OwnedFd::from(clone);
        // Not while it is shared: the other must not block its hub.
        assert!(is_nonblocking(&other));
        let again = listener.try_clone().unwrap();
        drop(listener);
        assert!(is_nonblocking(&other));
        let listener = again.try_clone().unwrap();
        drop(again);
        assert!(is_nonblocking(&other));
        let number = listener.into_raw_fd();
        assert!(!is_nonblocking(&other));
        // SAFETY: it was just given up.
        let listener = unsafe { TcpListener::from_raw_fd(number) };
        assert!(is_nonblocking(&other));
        drop(other);
        let number = listener.into_raw_fd();
        // SAFETY: it was just given up.
        let listener = unsafe { TcpListener::from_raw_fd(number) };
        let _near = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    });
}

/// Whether a socket that was std's is in non-blocking mode underneath. (Listeners always are.)
const ADOPTED_IS_NONBLOCKING: bool = !cfg!(target_os = "linux");

/// Through every conversion, and back, under the same number.
fn round_trip<Ours, Std>(ours: Ours, is_nonblocking_underneath: bool) -> Ours
where
    Ours: TryFrom<Std> + AsRawFd + IntoRawFd + FromRawFd + From<OwnedFd> + Into<OwnedFd>,
    Std: TryFrom<Ours> + AsRawFd,
    <Ours as TryFrom<Std>>::Error: std::fmt::Debug,
    <Std as TryFrom<Ours>>::Error: std::fmt::Debug,
{
    let number = ours.as_raw_fd();
    let std = Std::try_from(ours).unwrap();
    assert_eq!(std.as_raw_fd(), number);
    assert!(!is_nonblocking(&std));
    let ours = Ours::try_from(std).unwrap();
    assert_eq!(is_nonblocking(&ours), is_nonblocking_underneath);
    let fd: OwnedFd = ours.into();
    assert_eq!(fd.as_raw_fd(), number);
    assert!(!is_nonblocking(&fd));
    let ours = Ours::from(fd);
    assert_eq!(is_nonblocking(&ours), is_nonblocking_underneath);
    // SAFETY: it is given up in the same breath.
    let ours = unsafe { Ours::from_raw_fd(ours.into_raw_fd()) };
    assert_eq!(ours.as_raw_fd(), number);
    assert_eq!(is_nonblocking(&ours), is_nonblocking_underneath);
    ours
}

#[test]
fn datagram_and_unix_sockets_turn_into_stds_and_back() {
    everywhere(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        let socket = round_trip::<_, std::net::UdpSocket>(socket, ADOPTED_IS_NONBLOCKING);
        assert_eq!(socket.read_timeout().unwrap(), Some(SHORT));
        let kind = socket.recv(&mut [0]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);

        let (near, far) = UnixStream::pair().unwrap();
        near.set_write_timeout(Some(SHORT)).unwrap();
        let near = round_trip::<_, std::os::unix::net::UnixStream>(near, ADOPTED_IS_NONBLOCKING);
        assert_eq!(near.write_timeout().unwrap(), Some(SHORT));
        (&near).write_all(b"x").unwrap();
        (&far).read_exact(&mut [0]).unwrap();

        let (near, far) = UnixDatagram::pair().unwrap();
        let near = round_trip::<_, std::os::unix::net::UnixDatagram>(near, ADOPTED_IS_NONBLOCKING);
        near.send(b"x").unwrap();
        assert_eq!(far.recv(&mut [0; 8]).unwrap(), 1);

        let folder = Folder::new();
        let listener = UnixListener::bind(folder.join("sock")).unwrap();
        let listener = round_trip::<_, std::os::unix::net::UnixListener>(listener, true);
        let near = UnixStream::connect(folder.join("sock")).unwrap();
        drop(listener.accept().unwrap());
        drop(near);
        // Not while it is shared: the other must not block its hub.
        let clone = listener.try_clone().unwrap();
        assert!(is_nonblocking(&OwnedFd::from(listener)));
        drop(clone);
    });
}

/// Fails at once if the socket is in non-blocking mode.
fn assert_waits(read: impl FnOnce() -> std::io::Result<usize>) {
    let began = Instant::now();
    assert_eq!(read().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(began.elapsed() >= SHORT, "it does not wait");
}

/// A std socket with a read timeout goes on waiting while clones of it are ours, and when they have gone, in whichever way.
macro_rules! assert_std_waits {
    ($Ours:ty, $std:expr, $read:expr) => {{
        let std = $std;
        std.set_read_timeout(Some(SHORT)).unwrap();
        assert_waits(|| $read(&std));
        let ours = <$Ours>::try_from(std.try_clone().unwrap()).unwrap();
        assert_waits(|| $read(&std));
        let again = ours.try_clone().unwrap();
        drop(ours);
        assert_waits(|| $read(&std));
        drop(again);
        assert_waits(|| $read(&std));
        let ours = <$Ours>::from(OwnedFd::from(std.try_clone().unwrap()));
        assert_waits(|| $read(&std));
        drop(OwnedFd::from(ours));
        assert_waits(|| $read(&std));
    }};
}

#[cfg(target_os = "linux")]
#[test]
fn a_std_socket_goes_on_waiting_when_a_clone_of_it_becomes_ours() {
    use std::os::unix::net;
    everywhere(|_| {
        let (near, far) = pair();
        let std = std::net::TcpStream::try_from(near).unwrap();
        assert_std_waits!(TcpStream, std, |mut std: &std::net::TcpStream| std
            .read(&mut [0]));
        drop(far);
        let (std, _far) = net::UnixStream::pair().unwrap();
        assert_std_waits!(UnixStream, std, |mut std: &net::UnixStream| std
            .read(&mut [0]));
        let (std, _far) = net::UnixDatagram::pair().unwrap();
        assert_std_waits!(UnixDatagram, std, |std: &net::UnixDatagram| std
            .recv(&mut [0]));
        let std = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_std_waits!(UdpSocket, std, |std: &std::net::UdpSocket| std
            .recv(&mut [0]));
    });
}

/// And ours beside it waits without blocking a hub, and gets what comes.
#[test]
fn a_clone_of_a_std_socket_waits_as_ours_do() {
    everywhere(|world| {
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = UnixStream::try_from(near.try_clone().unwrap()).unwrap();
        let reader = world.spawn(move || (&ours).read_exact(&mut [0; 3]).map(|()| ours).unwrap());
        reader.until_parked();
        far.write_all(b"one").unwrap();
        let ours = reader.join();
        let writer = world.spawn(move || (&ours).write_all(&vec![0; 1 << 20]).unwrap());
        writer.until_parked();
        // It blocks its thread.
        greenhub::offload(move || far.read_exact(&mut vec![0; 1 << 20])).unwrap();
        writer.join();
    });
}

/// A listener cannot be left as it is; it comes back.
#[test]
fn a_std_listener_waits_again_when_its_clones_have_gone() {
    everywhere(|_| {
        let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpListener::try_from(std.try_clone().unwrap()).unwrap();
        let again = ours.try_clone().unwrap();
        assert!(is_nonblocking(&std));
        drop(ours);
        assert!(is_nonblocking(&std));
        drop(again);
        assert!(!is_nonblocking(&std));
        // One that was non-blocking before stays so.
        std.set_nonblocking(true).unwrap();
        let ours = TcpListener::from(OwnedFd::from(std.try_clone().unwrap()));
        drop(OwnedFd::from(ours));
        assert!(is_nonblocking(&std));
    });
}

#[test]
fn nonblocking_mode_is_stds_and_goes_along() {
    everywhere(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let clone = socket.try_clone().unwrap();
        assert_eq!(
            clone.recv(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(clone);
        assert!(is_nonblocking(
            &std::net::UdpSocket::try_from(socket).unwrap()
        ));
        let (near, _far) = UnixDatagram::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        assert_eq!(
            near.recv(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert!(is_nonblocking(&OwnedFd::from(near)));
    });
}

#[test]
fn a_socket_that_was_given_away_waits_again_when_it_is_back() {
    everywhere(|world| {
        let (mut near, far) = pair();
        for _ in 0..20 {
            near.set_read_timeout(Some(Duration::from_micros(100)))
                .unwrap();
            assert_eq!(
                (&near).read(&mut [0]).unwrap_err().kind(),
                ErrorKind::WouldBlock
            );
            // Under the same number, in the same poller perhaps.
            near = TcpStream::from(OwnedFd::from(near));
            near.set_read_timeout(None).unwrap();
            let writer = far.try_clone().unwrap();
            let writer = world.spawn(move || (&writer).write_all(b"x").unwrap());
            (&near).read_exact(&mut [0]).unwrap();
            writer.join();
        }
    });
}

fn is_nonblocking(socket: &impl AsRawFd) -> bool {
    // SAFETY: no pointer is passed.
    let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn what_is_no_socket_fails_at_its_first_use() {
    everywhere(|_| {
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        let stream = TcpStream::from(file.try_clone().unwrap());
        assert_eq!(
            (&stream).read(&mut [0]).unwrap_err().raw_os_error(),
            Some(libc::ENOTSOCK)
        );
        let listener = TcpListener::from(file);
        assert_eq!(
            listener.accept().unwrap_err().raw_os_error(),
            Some(libc::ENOTSOCK)
        );
        // A connection is no listener, a new socket no connection.
        let (near, _far) = pair();
        let listener = TcpListener::from(OwnedFd::from(near));
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let stream = TcpStream::from(OwnedFd::from(socket));
        assert_eq!(
            (&stream).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        assert_eq!(
            stream.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    });
}

#[test]
fn sockets_have_the_auto_traits_of_stds() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + std::fmt::Debug>() {}
    check::<TcpStream>();
    check::<TcpListener>();
    check::<greenhub::net::Incoming<'_>>();
    check::<UdpSocket>();
    check::<UnixStream>();
    check::<UnixListener>();
    check::<UnixDatagram>();
    check::<greenhub::net::unix::Incoming<'_>>();
    check::<greenhub::net::Source<std::fs::File>>();
    check::<greenhub::net::ListenOptions>();
}
