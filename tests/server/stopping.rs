//! How a server ends: at a stop, by a kill, with its runtime.

use super::*;

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

/// Accepts one, which has been accepted when the kill comes, and is handed over after it.
struct Late {
    accepting: Gate,
    goes_on: Gate,
}

impl Listener for Late {
    type Stream = ();
    type Address = ();

    fn accept(&self) -> io::Result<((), ())> {
        self.accepting.open();
        greenhub::shield(|| self.goes_on.pass());
        Ok(((), ()))
    }
}

/// Seen to fail when the end did not wait for the acceptor: `serve` unwound, and a connection began after it.
#[test]
fn a_connection_that_was_accepted_as_the_kill_came_has_ended_too() {
    everywhere(|| {
        let (accepting, goes_on) = (Gate::new(), Gate::new());
        let server = Server::new(Late {
            accepting: accepting.clone(),
            goes_on: goes_on.clone(),
        });
        let handle = server.handle();
        let end = greenhub::spawn(move || server.serve(|(), ()| greenhub::sleep(LONG)));
        accepting.pass();
        end.kill();
        eventually("the stop has begun", || handle.is_stopping());
        let end = end.join_timeout(Duration::from_millis(20)).unwrap_err();
        goes_on.open();
        assert!(end.join().unwrap_err().is_killed());
        let metrics = handle.metrics();
        assert_eq!((metrics.accepted, metrics.active), (1, 0));
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
