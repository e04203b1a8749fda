//! What only a greenlet can do: be killed, unwind, outlive its runtime.

use std::io::{Read, Write};
use std::sync::Arc;

use greenhub::net::TcpStream;
use greenhub::runtime::Runtime;

use crate::worlds::{LONG, listen, pair, until_parked, within};

#[test]
fn a_killed_reader_leaves_the_socket_usable() {
    within(
        LONG,
        || {
            greenhub::run(|| {
                let (near, far) = pair();
                let near = Arc::new(near);
                for _ in 0..50 {
                    let reader = {
                        let near = Arc::clone(&near);
                        greenhub::spawn(move || (&*near).read(&mut [0; 8]).unwrap())
                    };
                    until_parked(&reader);
                    reader.kill();
                    assert!(reader.join().unwrap_err().is_killed());
                    (&far).write_all(b"ok").unwrap();
                    let mut word = [0; 2];
                    (&*near).read_exact(&mut word).unwrap();
                    assert_eq!(&word, b"ok");
                }
            })
        },
        "a killed reader",
    );
}

#[test]
fn a_killed_acceptor_loses_no_connection() {
    within(
        LONG,
        || {
            greenhub::run(|| {
                let (listener, address) = listen();
                let listener = Arc::new(listener);
                for _ in 0..50 {
                    let acceptor = {
                        let listener = Arc::clone(&listener);
                        greenhub::spawn(move || {
                            listener.accept().map(|(stream, _)| stream).unwrap()
                        })
                    };
                    until_parked(&acceptor);
                    let mut near = TcpStream::connect(address).unwrap();
                    near.write_all(b"x").unwrap();
                    acceptor.kill();
                    // Accepted, or still to be accepted: nothing in between.
                    let mut far = match acceptor.join() {
                        Ok(stream) => stream,
                        Err(error) => {
                            assert!(error.is_killed());
                            listener.accept().unwrap().0
                        }
                    };
                    far.read_exact(&mut [0]).unwrap();
                }
            })
        },
        "a killed acceptor",
    );
}

#[test]
fn a_destructor_may_use_a_socket_while_its_greenlet_unwinds() {
    struct Farewell(TcpStream);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.write_all(b"bye").unwrap();
            self.0.read_exact(&mut [0; 3]).unwrap();
        }
    }
    within(
        LONG,
        || {
            let (near, mut far) = pair();
            // On a thread, so that it answers while the hub is blocked.
            let peer = std::thread::spawn(move || {
                far.read_exact(&mut [0; 3]).unwrap();
                far.write_all(b"bye").unwrap();
            });
            greenhub::run(|| {
                let killed = greenhub::spawn(move || {
                    let farewell = Farewell(near);
                    farewell.0.peek(&mut [0]).unwrap();
                });
                until_parked(&killed);
                killed.kill();
                assert!(killed.join().unwrap_err().is_killed());
            });
            peer.join().unwrap();
        },
        "a farewell",
    );
}

#[test]
fn a_socket_outlives_the_runtime_that_it_was_registered_with() {
    within(
        LONG,
        || {
            let (near, far) = pair();
            let near = Arc::new(near);
            for round in 0..20 {
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                let (reader, writer) = (Arc::clone(&near), far.try_clone().unwrap());
                runtime.run(move || {
                    let reader = greenhub::spawn(move || (&*reader).read_exact(&mut [0]).unwrap());
                    until_parked(&reader);
                    (&writer).write_all(&[round]).unwrap();
                    reader.join().unwrap();
                });
            }
            // And on a thread.
            (&far).write_all(b"x").unwrap();
            (&*near).read_exact(&mut [0]).unwrap();
        },
        "a socket in another runtime",
    );
}

#[test]
fn a_runtime_that_ends_does_not_wait_for_those_who_wait_for_sockets() {
    within(
        LONG,
        || {
            let (near, _far) = pair();
            let runtime = Runtime::new().unwrap();
            let reader = runtime.spawn(move || (&near).read(&mut [0]).unwrap());
            runtime.run(|| until_parked(&reader));
            drop(runtime);
            assert!(reader.join().unwrap_err().is_killed());
        },
        "a runtime's end",
    );
}

#[test]
fn a_reader_does_not_block_its_hub_when_a_std_clone_has_left_nonblocking_mode() {
    let scenario = || {
        let (near, far) = pair();
        let clone = near.try_clone().unwrap();
        let std = std::net::TcpStream::try_from(near).unwrap();
        let runtime = Runtime::builder().hubs(1).build().unwrap();
        runtime.run(move || {
            let reader = greenhub::spawn(move || (&clone).read_exact(&mut [0]).unwrap());
            until_parked(&reader);
            (&far).write_all(b"x").unwrap();
            reader.join().unwrap();
        });
        drop(std);
    };
    within(LONG, scenario, "a reader of a shared socket");
}
