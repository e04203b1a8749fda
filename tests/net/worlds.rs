//! Who runs a test, and what the tests share.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use greenhub::net::unix::UnixListener;
use greenhub::net::{SocketAddr, TcpListener, TcpStream};

/// Longer than anything here takes, on a machine that does much else.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A timeout that is meant to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(20);

/// Who runs a test and the activities that it spawns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum World {
    Settled,
    Migrating,
    Threads,
    /// The test itself in a greenlet, its activities on threads.
    Mixed,
}

pub(crate) const WORLDS: [World; 4] = [
    World::Settled,
    World::Migrating,
    World::Threads,
    World::Mixed,
];

/// A spawned activity.
pub(crate) enum Task<T> {
    Greenlet(greenhub::JoinHandle<T>),
    Thread(std::thread::JoinHandle<T>),
}

impl World {
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Task<T> {
        match self {
            World::Settled | World::Migrating => Task::Greenlet(self.spawn_greenlet(f)),
            World::Threads | World::Mixed => Task::Thread(std::thread::spawn(f)),
        }
    }

    /// A greenlet of either kind.
    pub(crate) fn spawn_greenlet<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> greenhub::JoinHandle<T> {
        match self {
            // SAFETY: the tests keep nothing that belongs to a thread across a wait.
            World::Migrating => unsafe { greenhub::spawn_migrating(f) },
            _ => greenhub::spawn(f),
        }
    }

    pub(crate) fn run(self, test: impl FnOnce(World) + Send + 'static) {
        match self {
            World::Settled | World::Mixed => greenhub::run(move || test(self)),
            World::Migrating => greenhub::run(move || self.spawn(move || test(self)).join()),
            World::Threads => test(self),
        }
    }
}

impl<T> Task<T> {
    /// Waits until it waits, if that can be seen: threads may still be on their way.
    pub(crate) fn until_parked(&self) {
        if let Task::Greenlet(handle) = self {
            until_parked(handle);
        }
    }

    /// The same for a certain kind of wait.
    pub(crate) fn until_parked_in(&self, wait: &str) {
        if let Task::Greenlet(handle) = self {
            until_parked_in(handle, wait);
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Task::Greenlet(handle) => handle.is_finished(),
            Task::Thread(handle) => handle.is_finished(),
        }
    }

    pub(crate) fn join(self) -> T {
        match self {
            Task::Greenlet(handle) => handle.join().expect("a greenlet of the test panicked"),
            Task::Thread(handle) => handle.join().expect("a thread of the test panicked"),
        }
    }
}

pub(crate) fn until_parked<T>(handle: &greenhub::JoinHandle<T>) {
    until_parked_in(handle, "");
}

pub(crate) fn until_parked_in<T>(handle: &greenhub::JoinHandle<T>, wait: &str) {
    let parked = format!("Parked({wait}");
    while !format!("{:?}", handle.greenlet()).contains(&parked) {
        assert!(!handle.is_finished(), "it has ended instead of waiting");
        greenhub::yield_now();
    }
}

/// Runs a test in every world, and fails if one takes too long.
pub(crate) fn everywhere(test: impl Fn(World) + Copy + Send + 'static) {
    for world in WORLDS {
        within(LONG, move || world.run(test), &format!("{world:?}"));
    }
}

pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    f: impl FnOnce() -> T + Send + 'static,
    what: &str,
) -> T {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let value = f();
        let _ = done.send(());
        value
    });
    match is_done.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        // Done, or panicked: `join` tells.
        _ => thread.join().unwrap_or_else(|_| panic!("{what} failed")),
    }
}

pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both ends of a connection.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen();
    let near = TcpStream::connect(address).unwrap();
    let (far, peer) = listener.accept().unwrap();
    assert_eq!(peer, near.local_addr().unwrap());
    (near, far)
}

/// A listener that lets hardly any connection wait, with as many as it lets.
pub(crate) fn full_listener(path: &Path) -> (UnixListener, Vec<std::os::unix::net::UnixStream>) {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(path).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        assert!(waiting.len() < 100, "the backlog takes everything");
        let client =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&socket2::SockAddr::unix(path).unwrap()) {
            Ok(()) => waiting.push(OwnedFd::from(client).into()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return (OwnedFd::from(socket).into(), waiting);
            }
        }
    }
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

/// Writes until nothing more fits.
pub(crate) fn fill(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    while (&*stream).write(&[0; 65_536]).is_ok() {}
    stream.set_nonblocking(false).unwrap();
}

pub(crate) fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            n => stream.write_all(&buffer[..n]).unwrap(),
        }
    }
}

/// Runs one test of this binary again, alone, in another process, where it may spoil what the process shares.
pub(crate) fn alone(name: &str, body: fn()) {
    alone_with(name, &[], body);
}

/// The same with these variables in that process's environment.
pub(crate) fn alone_with(name: &str, environment: &[(&str, &str)], body: fn()) {
    if is_alone(name) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.envs(environment.iter().copied());
    rerun(name, command);
}

/// This process was started for this test.
pub(crate) fn is_alone(name: &str) -> bool {
    std::env::var_os(MARK).is_some_and(|mark| mark == name)
}

/// Names the test that a process was started for.
const MARK: &str = "GREENHUB_TEST_ALONE";

/// This binary again, to be run for this test.
pub(crate) fn marked(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture"])
        .env(MARK, name);
    command
}

/// Runs `command`, this binary, for one test, which must succeed.
pub(crate) fn rerun(name: &str, mut command: Command) {
    let output = command
        .args(["--exact", name, "--nocapture"])
        .env(MARK, name)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// The processor time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    // SAFETY: all-zero is a valid `rusage`, and it outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let [user, system] = [usage.ru_utime, usage.ru_stime]
        .map(|time| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000));
    user + system
}

/// A folder of the test's own, which goes with this.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("greenhub-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// The path of a file in it.
    pub(crate) fn join(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
