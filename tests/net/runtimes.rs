//! Sockets that are waited for in several runtimes, or in several lanes of one.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use greenhub::net::unix::UnixStream;
use greenhub::net::{Source, TcpStream, UdpSocket};
use greenhub::runtime::Runtime;

use crate::sources::pipe;
use crate::worlds::{LONG, SHORT, listen, pair, until_parked, within};

fn one_hub() -> Arc<Runtime> {
    let runtime = Runtime::builder().hubs(1).compute_hubs(1).build();
    Arc::new(runtime.unwrap())
}

/// Something to wait for, and what ends the wait.
type Scene = (Arc<dyn Fn() + Send + Sync>, Box<dyn FnOnce() + Send>);

fn scene(wait: impl Fn() + Send + Sync + 'static, give: impl FnOnce() + Send + 'static) -> Scene {
    (Arc::new(wait), Box::new(give))
}

/// A scene's name, and what makes it.
type Named = (&'static str, fn() -> Scene);

const SCENES: [Named; 5] = [
    ("a read", || {
        let (near, far) = pair();
        scene(
            move || (&near).read_exact(&mut [0]).unwrap(),
            move || {
                (&far)
                    .write_all(b"x")
                    .map(|()| std::mem::forget(far))
                    .unwrap()
            },
        )
    }),
    ("a write", || {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = (&near).write(&[0; 4096]) {
            sent += count;
        }
        near.set_nonblocking(false).unwrap();
        let clone = far.try_clone().unwrap();
        scene(
            move || {
                let _open = &clone;
                (&near).write_all(b"x").unwrap();
            },
            move || (&far).read_exact(&mut vec![0; sent]).unwrap(),
        )
    }),
    ("an accept", || {
        let (listener, address) = listen();
        scene(
            move || drop(listener.accept().unwrap()),
            move || drop(TcpStream::connect(address).unwrap()),
        )
    }),
    ("a datagram", || {
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = near.local_addr().unwrap();
        scene(
            move || assert_eq!(near.recv(&mut [0; 8]).unwrap(), 1),
            move || {
                let far = UdpSocket::bind("127.0.0.1:0").unwrap();
                far.send_to(b"x", address).unwrap();
            },
        )
    }),
    ("a pipe", || {
        let (near, far) = pipe();
        let near = Source::new(near).unwrap();
        scene(
            move || (&near).read_exact(&mut [0]).unwrap(),
            move || (&far).write_all(b"x").unwrap(),
        )
    }),
];

/// Waits in vain, where the caller runs.
fn wait_in_vain(wait: &Arc<dyn Fn() + Send + Sync>) {
    assert!(greenhub::timeout(SHORT / 10, || wait()).is_err());
}

/// Waits until another greenlet of the caller's runtime has given.
fn wait_and_give(wait: Arc<dyn Fn() + Send + Sync>, give: Box<dyn FnOnce() + Send>) {
    let waiter = greenhub::spawn(move || wait());
    until_parked(&waiter);
    give();
    waiter.join().unwrap();
}

/// Blocks the thread of the hub that calls what is returned first, until what is returned second is dropped; and, third, tells
/// when it does.
fn block() -> (
    impl FnOnce() + Send + 'static,
    mpsc::Sender<()>,
    mpsc::Receiver<()>,
) {
    let (begin, begun) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let block = move || {
        begin.send(()).unwrap();
        let _ = ends.recv();
    };
    (block, end, begun)
}

/// Once whoever waited was at the mercy of the hub on which somebody had waited before.
#[test]
fn a_socket_is_waited_for_where_its_waiter_is_and_not_where_the_first_one_was() {
    for (what, make) in SCENES {
        let scenario = move || {
            let (wait, give) = make();
            let (first, second) = (one_hub(), one_hub());
            first.run({
                let wait = Arc::clone(&wait);
                move || wait_in_vain(&wait)
            });
            let (block, end, begun) = block();
            let stuck = std::thread::spawn(move || first.run(block));
            begun.recv().unwrap();
            second.run(|| wait_and_give(wait, give));
            drop(end);
            stuck.join().unwrap();
        };
        within(LONG, scenario, what);
    }
}

#[test]
fn a_socket_is_waited_for_in_the_lane_of_its_waiter() {
    for (what, make) in SCENES {
        let scenario = move || {
            let runtime = one_hub();
            runtime.run(|| {
                let (wait, give) = make();
                let first = Arc::clone(&wait);
                greenhub::spawn_compute(move || wait_in_vain(&first))
                    .join()
                    .unwrap();
                let (block, end, begun) = block();
                let stuck = greenhub::spawn_compute(block);
                begun.recv().unwrap();
                wait_and_give(wait, give);
                drop(end);
                stuck.join().unwrap();
            });
        };
        within(LONG, scenario, what);
    }
}

/// To and fro, and each hub is stuck while the other one's greenlet waits.
#[test]
fn a_registration_moves_again_and_again() {
    let scenario = || {
        let (near, far) = pair();
        let near = Arc::new(near);
        let runtimes = [one_hub(), one_hub()];
        for round in 0..20 {
            let [here, there] = [0, 1].map(|index| Arc::clone(&runtimes[(round + index) % 2]));
            let (block, end, begun) = block();
            let stuck = std::thread::spawn(move || there.run(block));
            begun.recv().unwrap();
            let (near, far) = (Arc::clone(&near), far.try_clone().unwrap());
            here.run(|| {
                wait_and_give(
                    Arc::new(move || (&*near).read_exact(&mut [0]).unwrap()),
                    Box::new(move || (&far).write_all(b"x").unwrap()),
                );
            });
            drop(end);
            stuck.join().unwrap();
        }
    };
    within(LONG, scenario, "a socket that two runtimes take turns at");
}

#[test]
fn two_that_wait_at_once_in_two_runtimes_are_both_served() {
    let scenario = || {
        let (near, mut far) = pair();
        let near = Arc::new(near);
        let (waits, is_waiting) = mpsc::channel();
        let readers = [one_hub(), one_hub()].map(|runtime| {
            let (near, waits) = (Arc::clone(&near), waits.clone());
            std::thread::spawn(move || {
                runtime.run(|| {
                    let reader = greenhub::spawn(move || (&*near).read(&mut [0]).unwrap());
                    until_parked(&reader);
                    waits.send(()).unwrap();
                    reader.join().unwrap()
                })
            })
        });
        (0..2).for_each(|_| is_waiting.recv().unwrap());
        (0..2).for_each(|_| far.write_all(b"x").unwrap());
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 1);
        }
    };
    within(LONG, scenario, "two runtimes at one socket");
}

/// Readers in two runtimes, of which some give up all the time: no byte is lost, and nobody sleeps through one.
#[test]
fn readers_of_several_runtimes_share_a_socket_and_lose_nothing() {
    const BYTES: usize = if cfg!(debug_assertions) {
        2_000
    } else {
        10_000
    };
    let scenario = || {
        let (near, mut far) = pair();
        let near = Arc::new(near);
        let received = Arc::new(AtomicUsize::new(0));
        let readers = [one_hub(), one_hub(), one_hub()].map(|runtime| {
            let (near, received) = (Arc::clone(&near), Arc::clone(&received));
            std::thread::spawn(move || {
                runtime.run(|| {
                    let readers: Vec<_> = (0..3_u32)
                        .map(|number| {
                            let (near, received) = (Arc::clone(&near), Arc::clone(&received));
                            greenhub::spawn(move || {
                                let read = || (&*near).read(&mut [0]).unwrap();
                                for round in 0.. {
                                    let patience = Duration::from_micros(round * 7 % 200);
                                    let read = match number {
                                        0 => Ok(read()),
                                        _ => greenhub::timeout(patience, read),
                                    };
                                    match read {
                                        Ok(0) => break,
                                        Ok(_) => drop(received.fetch_add(1, Ordering::Relaxed)),
                                        Err(_) => greenhub::yield_now(),
                                    }
                                }
                            })
                        })
                        .collect();
                    readers
                        .into_iter()
                        .for_each(|reader| reader.join().unwrap());
                });
            })
        });
        for sent in 1..=BYTES {
            far.write_all(b"x").unwrap();
            if sent % 10 == 0 {
                // Nobody has to be woken by a later byte.
                while received.load(Ordering::Relaxed) < sent {
                    std::thread::yield_now();
                }
            }
        }
        drop(far);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        assert_eq!(received.load(Ordering::Relaxed), BYTES);
    };
    within(LONG, scenario, "readers of three runtimes");
}

/// Where nobody is any more, nobody looks.
#[test]
fn a_registration_moves_on_from_a_runtime_that_has_ended() {
    let scenario = || {
        let (near, far) = pair();
        let near = Arc::new(near);
        let keeper = one_hub();
        for _ in 0..10 {
            for runtime in [one_hub(), Arc::clone(&keeper)] {
                let (near, far) = (Arc::clone(&near), far.try_clone().unwrap());
                runtime.run(|| {
                    wait_and_give(
                        Arc::new(move || (&*near).read_exact(&mut [0]).unwrap()),
                        Box::new(move || (&far).write_all(b"x").unwrap()),
                    );
                });
            }
        }
    };
    within(LONG, scenario, "a socket that outlives runtimes");
}
