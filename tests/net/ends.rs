//! How connections end.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::net::{Shutdown, Source, TcpStream};

use crate::worlds::{
    LONG, SHORT, Task, alone, cpu_time, everywhere, fill, listen, pair, pattern, until_parked,
    within,
};

#[test]
fn last_bytes_and_the_closing_that_comes_with_them_both_arrive() {
    everywhere(|world| {
        let (listener, address) = listen();
        let server = world.spawn(move || {
            for stream in listener.incoming().take(300) {
                let mut stream = stream.unwrap();
                // Registers: nothing is there before the client has heard from us.
                let mut first = [0];
                stream.read_exact(&mut first).unwrap();
                stream.write_all(b"go").unwrap();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                assert_eq!(rest, pattern(100));
            }
        });
        for _ in 0..300 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
            stream.write_all(&pattern(100)).unwrap();
        }
        server.join();
    });
}

#[test]
fn one_direction_is_closed_while_the_other_goes_on() {
    everywhere(|world| {
        let (mut near, mut far) = pair();
        let peer = world.spawn(move || {
            let mut question = String::new();
            far.read_to_string(&mut question).unwrap();
            assert_eq!(question, "question");
            far.write_all(b"answer").unwrap();
        });
        near.write_all(b"question").unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(near.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut answer = String::new();
        near.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        peer.join();
    });
}

#[test]
fn shutdown_wakes_whoever_waits_for_the_same_socket() {
    everywhere(|world| {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (near, far) = pair();
            let near = Arc::new(near);
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let near = Arc::clone(&near);
                    world.spawn(move || (&*near).read(&mut [0; 8]).unwrap())
                })
                .collect();
            readers.iter().for_each(Task::until_parked);
            near.shutdown(how).unwrap();
            for reader in readers {
                assert_eq!(reader.join(), 0);
            }
            drop(far);
        }
    });
}

#[test]
fn a_reset_reaches_the_reader_and_the_writer() {
    everywhere(|world| {
        let (near, mut far) = pair();
        (&near).write_all(b"never read").unwrap();
        while far.peek(&mut [0; 10]).unwrap() < 10 {}
        let reader = world.spawn(move || {
            let error = (&near).read(&mut [0; 8]).unwrap_err();
            (near, error.kind())
        });
        far.write_all(b"").unwrap();
        // With bytes unread, closing is a reset.
        drop(far);
        let (near, kind) = reader.join();
        assert_eq!(kind, ErrorKind::ConnectionReset);
        assert_eq!(
            (&near).write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert_eq!((&near).read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_reset_wakes_a_writer_that_waits() {
    everywhere(|world| {
        let (near, mut far) = pair();
        let writer = world.spawn(move || {
            loop {
                if let Err(error) = (&near).write(&[0; 65_536]) {
                    return error.kind();
                }
            }
        });
        far.read_exact(&mut [0; 65_536]).unwrap();
        drop(far);
        let kind = writer.join();
        assert!(
            matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{kind:?}"
        );
    });
}

#[test]
fn closing_a_clone_and_taking_its_number_again_disturbs_nobody() {
    everywhere(|world| {
        let (listener, address) = listen();
        let mut reused = 0;
        for _ in 0..100 {
            let (near, far) = pair();
            let clone = near.try_clone().unwrap();
            clone
                .set_read_timeout(Some(Duration::from_micros(100)))
                .unwrap();
            // Registers the clone.
            assert_eq!(
                (&clone).read(&mut [0]).unwrap_err().kind(),
                ErrorKind::WouldBlock
            );
            clone.set_read_timeout(None).unwrap();
            let number = clone.as_raw_fd();
            let reader = world.spawn(move || {
                let mut word = [0; 2];
                (&near).read_exact(&mut word).unwrap();
                word
            });
            drop(clone);
            // Somebody else gets the number, and is registered under it.
            let others: Vec<_> = (0..4)
                .map(|_| {
                    let near = TcpStream::connect(address).unwrap();
                    (near, listener.accept().unwrap().0)
                })
                .collect();
            if others.iter().any(|(near, _)| near.as_raw_fd() == number) {
                reused += 1;
            }
            for (near, far) in &others {
                near.set_read_timeout(Some(Duration::from_micros(100)))
                    .unwrap();
                assert_eq!(
                    (&*near).read(&mut [0]).unwrap_err().kind(),
                    ErrorKind::WouldBlock
                );
                (&*far).write_all(b"z").unwrap();
                near.set_read_timeout(None).unwrap();
                assert_eq!((&*near).read(&mut [0; 2]).unwrap(), 1);
            }
            (&far).write_all(b"ok").unwrap();
            assert_eq!(&reader.join(), b"ok");
        }
        // Tests run side by side, so it is not certain each time.
        assert!(reused > 0);
    });
}

#[test]
fn half_closed_and_reset_sockets_that_nobody_reads_cost_nothing() {
    alone(
        "ends::half_closed_and_reset_sockets_that_nobody_reads_cost_nothing",
        || {
            within(
                LONG,
                || {
                    greenhub::run(|| {
                        let mut sockets = Vec::new();
                        for n in 0..30 {
                            let (near, far) = pair();
                            fill(&near);
                            near.set_read_timeout(Some(Duration::from_micros(100)))
                                .unwrap();
                            assert_eq!(
                                (&near).read(&mut [0]).unwrap_err().kind(),
                                ErrorKind::WouldBlock
                            );
                            match n % 3 {
                                // Half closed, read by nobody.
                                0 => far.shutdown(Shutdown::Write).unwrap(),
                                // Reset: it has bytes unread.
                                1 => {
                                    drop(far);
                                    sockets.push((near, None));
                                    continue;
                                }
                                // Half closed, with a writer that waits for room.
                                _ => {
                                    far.shutdown(Shutdown::Write).unwrap();
                                    let writer = near.try_clone().unwrap();
                                    drop(greenhub::spawn(move || (&writer).write(&[0; 65_536])));
                                }
                            }
                            sockets.push((near, Some(far)));
                        }
                        greenhub::sleep(SHORT);
                        let (began, cpu) = (Instant::now(), cpu_time());
                        greenhub::sleep(Duration::from_millis(500));
                        let share =
                            (cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
                        assert!(share < 0.05, "{share}");
                    })
                },
                "sockets at rest",
            );
        },
    );
}

/// Each wake-up is one attempt, so attempts tell how often the poller has found something to say.
#[test]
fn what_ends_is_reported_a_few_times_and_not_again_and_again() {
    /// How the other end of a connection ends, if it is not dropped.
    type End = fn(std::net::TcpStream) -> Option<std::net::TcpStream>;
    fn attempts(end: End) -> usize {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        // A byte that the peer never reads makes its closing a reset.
        (&near).write_all(b"x").unwrap();
        let near = Source::new(near).unwrap();
        let reader = greenhub::spawn(move || {
            let mut attempts = 0;
            // It never succeeds, so it is made again at every event.
            let late = greenhub::timeout(10 * SHORT, || {
                near.read_with(|_| -> std::io::Result<()> {
                    attempts += 1;
                    Err(ErrorKind::WouldBlock.into())
                })
            });
            assert!(late.is_err());
            attempts
        });
        until_parked(&reader);
        let _kept = end(far);
        reader.join().unwrap()
    }
    within(
        LONG,
        || {
            greenhub::run(|| {
                // Bytes, half a closing, a whole one, a reset.
                let ends: [End; 4] = [
                    |mut far| far.write_all(b"bytes").map(|()| far).ok(),
                    |far| far.shutdown(Shutdown::Write).map(|()| far).ok(),
                    |mut far| {
                        far.read_exact(&mut [0]).unwrap();
                        None
                    },
                    |_| None,
                ];
                for (number, end) in ends.into_iter().enumerate() {
                    let attempts = attempts(end);
                    assert!((2..=5).contains(&attempts), "{number}: {attempts}");
                }
            })
        },
        "an end that is reported",
    );
}
