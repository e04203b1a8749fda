//! How connections begin.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use crate::worlds::{LONG, SHORT, Task, alone, cpu_time, everywhere, listen, within};

#[test]
fn a_connection_that_nobody_accepts_is_refused() {
    everywhere(|_| {
        let (listener, address) = listen();
        drop(listener);
        for _ in 0..10 {
            let error = TcpStream::connect(address).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let error = TcpStream::connect_timeout(&address, LONG).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn the_first_address_that_answers_is_taken() {
    everywhere(|_| {
        let (refuses, refused) = listen();
        drop(refuses);
        let (_listener, address) = listen();
        let stream = TcpStream::connect(&[refused, address][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let none: &[SocketAddr] = &[];
        assert_eq!(
            TcpStream::connect(none).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(
            TcpListener::bind(none).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn a_name_is_resolved() {
    everywhere(|_| {
        let Ok(mut addresses) = ("localhost", 0).to_socket_addrs() else {
            return;
        };
        assert!(addresses.next().is_some());
        let listener = TcpListener::bind("localhost:0").unwrap();
        let address = listener.local_addr().unwrap();
        TcpStream::connect(("localhost", address.port())).unwrap();
    });
}

#[test]
fn an_io_error_is_returned_and_not_waited_for() {
    everywhere(|_| {
        let result: io::Result<TcpStream> = TcpStream::connect("256.0.0.1:1");
        assert!(result.is_err());
    });
}

#[test]
fn version_six_addresses_work_where_the_system_has_them() {
    everywhere(|_| {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            return;
        };
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, peer) = listener.accept().unwrap();
        assert_eq!(peer, near.local_addr().unwrap());
        assert_eq!(far.local_addr().unwrap(), near.peer_addr().unwrap());
    });
}

#[test]
fn a_connection_that_is_not_answered_times_out() {
    everywhere(|_| {
        // Nobody accepts here: when its short queue is full, the kernel answers no more.
        let listener =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener
            .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        let (began, error) = loop {
            assert!(queued.len() < 100, "the queue takes everything");
            let began = Instant::now();
            match TcpStream::connect_timeout(&address, 5 * SHORT) {
                Ok(stream) => queued.push(stream),
                Err(error) => break (began, error),
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= 5 * SHORT);
    });
}

#[test]
fn several_acceptors_share_the_connections() {
    everywhere(|world| {
        let (listener, address) = listen();
        let listener = Arc::new(listener);
        let acceptors: Vec<_> = (0..4)
            .map(|_| {
                let listener = Arc::clone(&listener);
                world.spawn(move || {
                    let mut served = 0;
                    loop {
                        let (mut stream, _) = listener.accept().unwrap();
                        let mut word = [0];
                        stream.read_exact(&mut word).unwrap();
                        if word == [0] {
                            return served;
                        }
                        served += 1;
                        stream.write_all(&word).unwrap();
                    }
                })
            })
            .collect();
        for n in 0..100 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[n + 1]).unwrap();
            let mut word = [0];
            stream.read_exact(&mut word).unwrap();
            assert_eq!(word, [n + 1]);
        }
        let ends: Vec<_> = (0..4)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&[0]).unwrap();
                stream
            })
            .collect();
        let served: i32 = acceptors.into_iter().map(Task::join).sum();
        assert_eq!(served, 100);
        drop(ends);
    });
}

#[test]
fn an_address_is_free_again_when_its_listener_is_gone() {
    everywhere(|_| {
        let (listener, address) = listen();
        assert_eq!(
            TcpListener::bind(address).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let near = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        drop((near, listener));
        // One end is in TIME-WAIT now.
        TcpListener::bind(address).unwrap();
    });
}

#[test]
fn running_out_of_descriptors_is_an_error_that_does_not_spin_and_passes() {
    alone(
        "connecting::running_out_of_descriptors_is_an_error_that_does_not_spin_and_passes",
        || {
            within(
                LONG,
                || {
                    greenhub::run(|| {
                        let (listener, address) = listen();
                        let near = TcpStream::connect(address).unwrap();
                        let mut taken = Vec::new();
                        while let Ok(file) = std::fs::File::open("/dev/null") {
                            taken.push(file);
                            if taken.len() == 64 {
                                lower_descriptor_limit();
                            }
                        }
                        let (began, cpu) = (Instant::now(), cpu_time());
                        while began.elapsed() < Duration::from_millis(500) {
                            let error = listener.accept().unwrap_err();
                            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                        }
                        let share =
                            (cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
                        assert!(share < 0.05, "{share}");
                        drop(taken);
                        let (far, _) = listener.accept().unwrap();
                        assert_eq!(far.peer_addr().unwrap(), near.local_addr().unwrap());
                    })
                },
                "an accept without descriptors",
            );
        },
    );
}

/// No more descriptors than are open now, give or take a few.
fn lower_descriptor_limit() {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let limit = libc::rlimit {
        rlim_cur: open + 8,
        rlim_max: open + 8,
    };
    // SAFETY: the limit outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}
