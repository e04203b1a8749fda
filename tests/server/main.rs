//! `net::server`: connections served, spread, bounded, drained and killed; a listener that runs out of descriptors.

#[path = "../common/mod.rs"]
mod common;
mod stopping;
#[path = "../support/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses a part of it")]
mod support;
mod troubles;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use common::{Gate, Tally, Watchdog, eventually, runtime};
use greenhub::JoinHandle;
use greenhub::net::server::{Listener, Served, Server, ServerHandle};
use greenhub::net::{TcpListener, TcpStream};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(600);

/// Runs `test` in a greenlet of a runtime with so many hubs, and from an OS thread beside the global one.
fn everywhere(test: fn()) {
    let _watchdog = Watchdog::new();
    for hubs in [1, 2, 4] {
        runtime(hubs).run(test);
    }
    test();
}

/// A server that is serving.
struct Serving {
    address: SocketAddr,
    handle: ServerHandle,
    end: JoinHandle<io::Result<Served>>,
}

impl Serving {
    fn start<H>(bound: usize, make: impl FnOnce(&ServerHandle) -> H) -> Serving
    where
        H: Fn(TcpStream, SocketAddr) + Send + Sync + 'static,
    {
        let server = Server::new(TcpListener::bind("127.0.0.1:0").unwrap()).max_connections(bound);
        let address = server.listener().local_addr().unwrap();
        let handle = server.handle();
        let handler = make(&handle);
        let end = greenhub::spawn(move || server.serve(handler));
        Serving {
            address,
            handle,
            end,
        }
    }

    /// One that echoes, and idles between two echoes.
    fn echo(bound: usize) -> Serving {
        Serving::start(bound, |handle| {
            let handle = handle.clone();
            move |stream, _| echo(&handle, stream)
        })
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn active(&self) -> usize {
        self.handle.metrics().active
    }

    fn until_active(&self, count: usize) {
        eventually("so many are connected", || self.active() == count);
    }

    /// What it came to: drained, killed.
    fn ended(self) -> (usize, usize) {
        let served = self.end.join().unwrap().unwrap();
        assert_eq!(self.handle.metrics().active, 0);
        (served.drained(), served.killed())
    }

    fn stop(self, patience: Duration) -> (usize, usize) {
        self.handle.stop(patience);
        self.ended()
    }
}

fn echo(handle: &ServerHandle, mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Some(Ok(n @ 1..)) = handle.idle(|| stream.read(&mut buffer)) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

/// Sends something and waits for it to come back.
fn ask(stream: &mut TcpStream) {
    let mut answer = [0; 4];
    stream.write_all(b"echo").unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"echo");
}

/// The other side has closed the connection, or reset it.
fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_))
}

#[test]
fn connections_are_served_side_by_side() {
    everywhere(|| {
        let serving = Serving::echo(100);
        let mut clients: Vec<TcpStream> = (0..50).map(|_| serving.connect()).collect();
        for _ in 0..3 {
            clients.iter_mut().for_each(ask);
        }
        assert_eq!(serving.active(), 50);
        drop(clients);
        serving.until_active(0);
        assert_eq!(serving.handle.metrics().accepted, 50);
        assert_eq!(serving.stop(LONG), (0, 0));
    });
}

/// Broken once by giving all to the first hub in `Roll::enter`: caught.
#[test]
fn connections_are_spread_over_the_hubs_evenly() {
    let _watchdog = Watchdog::new();
    for hubs in [2, 4] {
        runtime(hubs).run(|| {
            let threads: Arc<Mutex<HashMap<ThreadId, usize>>> = Arc::default();
            let serving = Serving::start(1000, |handle| {
                let (handle, threads) = (handle.clone(), Arc::clone(&threads));
                move |stream, _| {
                    *threads
                        .lock()
                        .unwrap()
                        .entry(std::thread::current().id())
                        .or_default() += 1;
                    echo(&handle, stream);
                }
            });
            let mut clients: Vec<TcpStream> = (0..64).map(|_| serving.connect()).collect();
            clients.iter_mut().for_each(ask);
            let spread: Vec<usize> = threads.lock().unwrap().values().copied().collect();
            assert_eq!(spread, vec![64 / hubs; hubs]);
            assert_eq!(serving.stop(LONG), (64, 0));
        });
    }
}

#[test]
fn a_connection_stays_on_its_hub() {
    let _watchdog = Watchdog::new();
    runtime(4).run(|| {
        let moved = Tally::new();
        let serving = Serving::start(1000, |_| {
            let moved = moved.clone();
            move |mut stream: TcpStream, _| {
                let home = std::thread::current().id();
                let mut buffer = [0; 4];
                while stream.read_exact(&mut buffer).is_ok() {
                    if std::thread::current().id() != home {
                        moved.add();
                    }
                    stream.write_all(&buffer).unwrap();
                }
            }
        });
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let mut client = serving.connect();
                greenhub::spawn(move || (0..200).for_each(|_| ask(&mut client)))
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(moved.get(), 0);
        serving.stop(LONG);
    });
}

#[test]
fn at_the_bound_the_next_waits_in_the_backlog() {
    everywhere(|| {
        let serving = Serving::echo(2);
        let mut inside = [serving.connect(), serving.connect()];
        inside.iter_mut().for_each(ask);
        let mut next = serving.connect();
        next.write_all(b"echo").unwrap();
        next.set_read_timeout(Some(Duration::from_millis(30)))
            .unwrap();
        let waits = next.read(&mut [0; 4]).unwrap_err();
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(serving.handle.metrics().accepted, 2);
        assert_eq!(serving.active(), 2);

        drop(inside);
        next.set_read_timeout(None).unwrap();
        next.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(serving.handle.metrics().accepted, 3);
        serving.until_active(1);
        assert_eq!(serving.stop(LONG), (1, 0));
    });
}

#[test]
fn the_bound_is_never_exceeded() {
    let _watchdog = Watchdog::new();
    runtime(2).run(|| {
        let (inside, most) = (Tally::new(), Arc::new(Mutex::new(0)));
        let gone = Tally::new();
        let serving = Serving::start(3, |_| {
            let (inside, gone, most) = (inside.clone(), gone.clone(), Arc::clone(&most));
            move |mut stream: TcpStream, _| {
                inside.add();
                let now = inside.get() - gone.get();
                let mut most = most.lock().unwrap();
                *most = now.max(*most);
                drop(most);
                let mut byte = [0];
                let _ = stream.read(&mut byte).and_then(|_| stream.write(&byte));
                gone.add();
            }
        });
        let clients: Vec<_> = (0..30)
            .map(|_| {
                let address = serving.address;
                greenhub::spawn(move || {
                    let mut client = TcpStream::connect(address).unwrap();
                    client.write_all(b"x").unwrap();
                    client.read_exact(&mut [0]).unwrap();
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        // Between the two looks at the tallies another may have gone, never one have come too many.
        let most = *most.lock().unwrap();
        assert!((1..=3).contains(&most), "{most}");
        serving.stop(LONG);
    });
}

#[test]
fn a_handler_that_panics_hurts_nobody() {
    everywhere(|| {
        let serving = Serving::start(2, |handle| {
            let handle = handle.clone();
            move |stream: TcpStream, _| {
                let mut byte = [0];
                if let Ok(1) = stream.peek(&mut byte) {
                    if byte == *b"!" {
                        // Not through the hook, which would print it.
                        std::panic::resume_unwind(Box::new("the handler's"));
                    }
                }
                echo(&handle, stream);
            }
        });
        let mut steady = serving.connect();
        ask(&mut steady);
        // More often than there is room: each gives its place back.
        for _ in 0..5 {
            let mut bad = serving.connect();
            bad.write_all(b"!").unwrap();
            assert!(is_closed(&mut bad));
        }
        ask(&mut steady);
        assert_eq!(serving.handle.metrics().accepted, 6);
        serving.until_active(1);
        assert_eq!(serving.stop(LONG), (1, 0));
    });
}

#[test]
fn unix_sockets_are_served_too() {
    use greenhub::net::unix::{UnixListener, UnixStream};

    everywhere(|| {
        let path = std::env::temp_dir().join(format!(
            "greenhub-server-{}-{:?}.sock",
            std::process::id(),
            greenhub::try_current().map(|greenlet| greenlet.id())
        ));
        let _gone_before = std::fs::remove_file(&path);
        let server = Server::new(UnixListener::bind(&path).unwrap());
        let handle = server.handle();
        let serving = greenhub::spawn({
            let handle = handle.clone();
            move || {
                server.serve(move |mut stream: UnixStream, _| {
                    let mut buffer = [0; 64];
                    while let Some(Ok(n @ 1..)) = handle.idle(|| stream.read(&mut buffer)) {
                        stream.write_all(&buffer[..n]).unwrap();
                    }
                })
            }
        });
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"echo").unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"echo");
        handle.stop(LONG);
        let served = serving.join().unwrap().unwrap();
        assert_eq!((served.drained(), served.killed()), (1, 0));
        std::fs::remove_file(&path).unwrap();
    });
}
