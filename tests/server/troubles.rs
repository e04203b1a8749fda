//! Listeners that fail, descriptors that run out, greenlets that cannot be had.

use super::*;

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

    let outcome = child::run("troubles::out_of_descriptors_it_waits_and_recovers", || {
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
