//! `net::server`: connections served, spread, bounded, drained and killed; a listener that runs out of descriptors.

mod common;
#[allow(unused_imports, reason = "each test binary uses a part of it")]
mod support;

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

/// Broken once by not nudging those who idle: it hangs, and is caught.
#[test]
fn a_stop_ends_idle_connections_at_once_and_refuses_new_ones() {
    everywhere(|| {
        let serving = Serving::echo(100);
        let mut clients: Vec<TcpStream> = (0..10).map(|_| serving.connect()).collect();
        clients.iter_mut().for_each(ask);
        let address = serving.address;
        assert!(!serving.handle.is_stopping());
        assert_eq!(serving.stop(LONG), (10, 0));
        assert!(clients.iter_mut().all(is_closed));
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn a_request_at_hand_is_finished_before_the_stop() {
    everywhere(|| {
        let (begun, go_on) = (Gate::new(), Gate::new());
        let serving = Serving::start(100, |handle| {
            let (handle, begun, go_on) = (handle.clone(), begun.clone(), go_on.clone());
            move |mut stream: TcpStream, _| {
                let mut byte = [0];
                let mut served = 0;
                while let Some(Ok(1)) = handle.idle(|| stream.read(&mut byte)) {
                    begun.open();
                    go_on.pass();
                    stream.write_all(b"answer").unwrap();
                    served += 1;
                }
                assert_eq!(served, 1);
                assert!(handle.is_stopping());
            }
        });
        let mut client = serving.connect();
        client.write_all(b"?").unwrap();
        begun.pass();
        serving.handle.stop(LONG);
        serving.handle.wait_for_stop();
        assert!(!serving.end.is_finished());
        go_on.open();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        assert_eq!(serving.ended(), (1, 0));
    });
}

#[test]
fn what_does_not_end_in_time_is_killed() {
    everywhere(|| {
        let dropped = Tally::new();
        let serving = Serving::start(100, |handle| {
            let (handle, dropped) = (handle.clone(), dropped.clone());
            move |mut stream: TcpStream, _| {
                let mut byte = [0];
                let _ = stream.read(&mut byte);
                if byte[0] == b'i' {
                    return echo(&handle, stream);
                }
                let _dropped = dropped.on_drop();
                greenhub::sleep(LONG);
            }
        });
        let mut clients: Vec<TcpStream> = (0..5).map(|_| serving.connect()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client
                .write_all(if index < 2 { b"i" } else { b"s" })
                .unwrap();
        }
        for client in &mut clients[..2] {
            ask(client);
        }
        serving.until_active(5);
        assert_eq!(serving.stop(Duration::from_millis(20)), (2, 3));
        assert!(clients.iter_mut().all(is_closed));
        // Those that had begun to sleep; of the others nothing was there to be dropped.
        assert!(dropped.get() <= 3);
    });
}

#[test]
fn a_second_stop_brings_the_end_forward() {
    everywhere(|| {
        let serving = Serving::start(100, |_| move |_stream: TcpStream, _| greenhub::sleep(LONG));
        let _client = serving.connect();
        serving.until_active(1);
        serving.handle.stop(LONG);
        assert!(!serving.end.is_finished());
        assert_eq!(serving.stop(Duration::ZERO), (0, 1));
    });
}

#[test]
fn a_stop_at_the_bound_ends_the_wait_for_room() {
    everywhere(|| {
        let serving = Serving::echo(1);
        let mut inside = serving.connect();
        ask(&mut inside);
        let mut outside = serving.connect();
        assert_eq!(serving.stop(LONG), (1, 0));
        assert!(is_closed(&mut inside));
        assert!(
            is_closed(&mut outside),
            "the backlog goes with the listener"
        );
    });
}

#[test]
fn a_stop_before_the_beginning_serves_nobody() {
    everywhere(|| {
        let server = Server::new(TcpListener::bind("127.0.0.1:0").unwrap());
        server.handle().stop(LONG);
        let served = server.serve(|_, _| panic!("nobody has come")).unwrap();
        assert_eq!((served.drained(), served.killed()), (0, 0));
    });
}

#[test]
fn stops_from_everywhere_race_with_requests() {
    let _watchdog = Watchdog::new();
    for round in 0..support::times(60, 15) {
        runtime(2).run(move || {
            let serving = Serving::echo(100);
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    let address = serving.address;
                    greenhub::spawn(move || {
                        let Ok(mut client) = TcpStream::connect(address) else {
                            return;
                        };
                        let mut answer = [0; 4];
                        // Until the server closes it.
                        while client.write_all(b"echo").is_ok()
                            && client.read_exact(&mut answer).is_ok()
                        {
                            assert_eq!(&answer, b"echo");
                        }
                    })
                })
                .collect();
            let stoppers: Vec<_> = (0..2)
                .map(|_| {
                    let handle = serving.handle.clone();
                    std::thread::spawn(move || {
                        // Later and later. To yield would take for ever where the machine has much else to do.
                        for _ in 0..round * 1000 {
                            std::hint::spin_loop();
                        }
                        handle.stop(LONG);
                    })
                })
                .collect();
            for client in clients {
                client.join().unwrap();
            }
            for stopper in stoppers {
                stopper.join().unwrap();
            }
            let (_, killed) = serving.ended();
            assert_eq!(killed, 0, "all of them end by themselves");
        });
    }
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

/// Broken once by not refusing the kill that woke an idler: caught.
#[test]
fn idle_ends_other_waits_too_and_keeps_values() {
    everywhere(|| {
        let (begun, ends) = (Tally::new(), Tally::new());
        let serving = Serving::start(10, |handle| {
            let (handle, begun, ends) = (handle.clone(), begun.clone(), ends.clone());
            move |_stream: TcpStream, _| {
                assert_eq!(handle.idle(|| 5), Some(5));
                assert_eq!(handle.idle(|| handle.idle(|| 6)), Some(Some(6)));
                begun.add();
                assert_eq!(handle.idle(|| greenhub::sleep(LONG)), None);
                // No kill is left over: this waits.
                greenhub::sleep(Duration::from_millis(1));
                assert_eq!(handle.idle(|| 7), None);
                ends.add();
            }
        });
        let _clients = [serving.connect(), serving.connect()];
        eventually("both begin", || begun.get() == 2);
        assert_eq!(serving.stop(LONG), (2, 0));
        assert_eq!(ends.get(), 2);
    });
}

#[test]
fn a_kill_by_somebody_else_passes_through_idle() {
    everywhere(|| {
        let greenlets = Arc::new(Mutex::new(Vec::new()));
        let after = Tally::new();
        let serving = Serving::start(10, |handle| {
            let (handle, after, greenlets) =
                (handle.clone(), after.clone(), Arc::clone(&greenlets));
            move |_stream: TcpStream, _| {
                greenlets.lock().unwrap().push(greenhub::current());
                handle.idle(|| greenhub::sleep(LONG));
                after.add();
            }
        });
        let mut client = serving.connect();
        eventually("the handler begins", || {
            !greenlets.lock().unwrap().is_empty()
        });
        greenlets.lock().unwrap()[0].kill();
        assert!(is_closed(&mut client));
        serving.until_active(0);
        assert_eq!(after.get(), 0);
        assert_eq!(serving.stop(LONG), (0, 0));
    });
}

#[test]
fn killing_the_server_kills_its_connections_first() {
    everywhere(|| {
        let dropped = Tally::new();
        let serving = Serving::start(10, |_| {
            let dropped = dropped.clone();
            move |_stream: TcpStream, _| {
                let _dropped = dropped.on_drop();
                greenhub::sleep(LONG);
            }
        });
        let mut clients = [serving.connect(), serving.connect()];
        serving.until_active(2);
        let handle = serving.handle.clone();
        serving.end.kill();
        assert!(serving.end.join().unwrap_err().is_killed());
        assert_eq!(handle.metrics().active, 0);
        assert!(clients.iter_mut().all(is_closed));
    });
}

#[test]
fn a_runtime_that_ends_takes_its_server_along() {
    let _watchdog = Watchdog::new();
    for _ in 0..support::times(100, 20) {
        let runtime = runtime(2);
        let clients = runtime.run(|| {
            let serving = Serving::start(10, |_| |_stream: TcpStream, _| greenhub::sleep(LONG));
            // Some may be on their way to a hub that ends.
            (0..4).map(|_| serving.connect()).collect::<Vec<_>>()
        });
        drop(runtime);
        for mut client in clients {
            assert!(is_closed(&mut client));
        }
    }
}

/// Gives the errors that it is told to, and then waits.
struct Failing(Mutex<Vec<io::Error>>);

impl Listener for Failing {
    type Stream = ();
    type Address = ();

    fn accept(&self) -> io::Result<((), ())> {
        let next = self.0.lock().unwrap().pop();
        match next {
            Some(error) => Err(error),
            None => {
                greenhub::sleep(LONG);
                Ok(((), ()))
            }
        }
    }
}

#[test]
fn the_errors_of_single_connections_are_passed_over() {
    everywhere(|| {
        let error = io::Error::from_raw_os_error;
        let errors = vec![
            error(libc::ECONNABORTED),
            error(libc::EPROTO),
            error(libc::EMFILE),
        ];
        let server = Server::new(Failing(Mutex::new(errors)));
        let handle = server.handle();
        let serving = greenhub::spawn(move || server.serve(|(), ()| ()));
        eventually("it has run out once", || handle.metrics().starved == 1);
        assert!(!serving.is_finished());
        handle.stop(LONG);
        let _nobody = serving.join().unwrap().unwrap();
    });
}

#[test]
fn a_broken_listener_ends_the_server_with_its_error() {
    everywhere(|| {
        let error = io::Error::from_raw_os_error(libc::EBADF);
        let server = Server::new(Failing(Mutex::new(vec![error])));
        let handle = server.handle();
        let error = server.serve(|(), ()| ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert!(handle.is_stopping());
    });
}

/// Out of descriptors, it neither spins nor gives up. Broken once by leaving the back-off out: caught.
#[cfg(target_os = "linux")]
#[test]
fn out_of_descriptors_it_waits_and_recovers() {
    use support::{child, process};

    let outcome = child::run("out_of_descriptors_it_waits_and_recovers", || {
        runtime(2).run(|| {
            let serving = Serving::echo(1000);
            let mut first = serving.connect();
            ask(&mut first);
            // The clients' descriptors are there already; each accept needs one more.
            let clients: Vec<std::net::TcpStream> = (0..5)
                .map(|_| {
                    let socket =
                        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
                    socket.unwrap().into()
                })
                .collect();
            let open = process::fds();
            // The numbers below the limit are taken, all of them.
            process::limit(libc::RLIMIT_NOFILE, open + 8);
            let fillers: Vec<std::fs::File> =
                std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            for client in &clients {
                let client = socket2::SockRef::from(client);
                client.connect(&serving.address.into()).unwrap();
            }
            let metrics = || serving.handle.metrics();
            eventually("it has run out", || metrics().starved > 0);
            // Attempts get rarer and rarer, up to 640 ms apart: seven in the first second, where one that spun would make
            // hundreds of thousands, and one that waited for 10 ms each time a hundred.
            let begun = std::time::Instant::now();
            greenhub::sleep(Duration::from_millis(500));
            let attempts = metrics().starved;
            let most = 8 + begun.elapsed().as_millis() as u64 / 640;
            assert!(attempts <= most, "{attempts} attempts, not {most}");
            assert_eq!(metrics().active, 1);
            ask(&mut first);

            drop(fillers);
            eventually("all are accepted", || metrics().active == 6);
            for client in clients {
                let mut client = TcpStream::try_from(client).unwrap();
                ask(&mut client);
            }
            assert_eq!(metrics().rejected, 0);
            serving.stop(LONG);
        });
    });
    outcome.assert_success();
}

#[test]
fn without_room_for_greenlets_it_turns_away_and_recovers() {
    let _watchdog = Watchdog::new();
    let runtime = greenhub::runtime::Runtime::builder()
        .hubs(2)
        // This test's own, the server's two, and two connections.
        .max_greenlets(5)
        .build()
        .unwrap();
    runtime.run(|| {
        let serving = Serving::echo(100);
        let mut inside = [serving.connect(), serving.connect()];
        inside.iter_mut().for_each(ask);
        let mut turned_away = serving.connect();
        assert!(is_closed(&mut turned_away));
        assert_eq!(serving.handle.metrics().rejected, 1);
        let [leaves, mut stays] = inside;
        drop(leaves);
        serving.until_active(1);
        ask(&mut stays);
        let mut next = serving.connect();
        ask(&mut next);
        assert_eq!(serving.stop(LONG), (2, 0));
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
