//! A kill, or a time limit, at every suspension point of a scenario that waits in every way there is, counted exhaustively:
//! destructors run, locks are free, channels are usable, and what was given to a wait is there for the next.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use common::{Gate, Kind, Tally, Watchdog, eventually, runtime, until_parked_in};
use greenhub::channel::{Receiver, Select, Sender, bounded, select, unbounded};
use greenhub::net::{TcpListener, TcpStream};
use greenhub::pool::Pool;
use greenhub::sync::{Barrier, Condvar, Event, Mutex, OnceLock, RwLock, Semaphore};

/// One of everything that can be waited for.
struct World {
    mutex: Mutex<u32>,
    rwlock: RwLock<u32>,
    flag: Mutex<bool>,
    condvar: Condvar,
    semaphore: Semaphore,
    barrier: Barrier,
    event: Event,
    once: OnceLock<u32>,
    gate: Event,
    full: (Sender<u32>, Receiver<u32>),
    empty: (Sender<u32>, Receiver<u32>),
    list: (Sender<u32>, Receiver<u32>),
    to_hand: (Sender<u32>, Receiver<u32>),
    from_hand: (Sender<u32>, Receiver<u32>),
    selected: [(Sender<u32>, Receiver<u32>); 3],
    pool: Pool,
    future: Mutex<Option<std::task::Waker>>,
    future_ready: Event,
    listener: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

impl World {
    fn new() -> World {
        let full = bounded(1);
        full.0.send(0).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        World {
            mutex: Mutex::new(0),
            rwlock: RwLock::new(0),
            flag: Mutex::new(false),
            condvar: Condvar::new(),
            semaphore: Semaphore::new(0),
            barrier: Barrier::new(2),
            event: Event::new(),
            once: OnceLock::new(),
            gate: Event::new(),
            full,
            empty: bounded(2),
            list: unbounded(),
            to_hand: bounded(0),
            from_hand: bounded(0),
            selected: [bounded(1), unbounded(), bounded(0)],
            pool: Pool::new(1),
            future: Mutex::new(None),
            future_ready: Event::new(),
            listener,
            near,
            far,
        }
    }
}

/// One way of waiting.
struct Station {
    /// What a greenlet's `Debug` calls it.
    wait: &'static str,
    /// Waits.
    enter: fn(&World),
    /// Makes `enter` wait from now on, and returns what lets one go on that waits, or will. That may itself wait for it.
    hold: for<'w> fn(&'w World) -> Box<dyn FnOnce() + 'w>,
}

const STATIONS: &[Station] = &[
    Station {
        wait: "lock",
        enter: |world| *world.mutex.lock() += 1,
        hold: |world| {
            let guard = world.mutex.lock();
            Box::new(|| drop(guard))
        },
    },
    Station {
        wait: "lock",
        enter: |world| assert!(*world.rwlock.read() < 1000),
        hold: |world| {
            let guard = world.rwlock.write();
            Box::new(|| drop(guard))
        },
    },
    Station {
        wait: "lock",
        enter: |world| *world.rwlock.write() += 1,
        hold: |world| {
            let guard = world.rwlock.read();
            Box::new(|| drop(guard))
        },
    },
    Station {
        wait: "condvar",
        enter: |world| {
            let mut flag = world.flag.lock();
            world.condvar.wait_while(&mut flag, |flag| !*flag);
            *flag = false;
        },
        hold: |world| {
            Box::new(|| {
                *world.flag.lock() = true;
                world.condvar.notify_one();
            })
        },
    },
    Station {
        wait: "semaphore",
        enter: |world| world.semaphore.acquire_many(3).forget(),
        hold: |world| Box::new(|| world.semaphore.add_permits(3)),
    },
    Station {
        wait: "barrier",
        enter: |world| {
            world.barrier.wait();
        },
        hold: |world| {
            Box::new(|| {
                world.barrier.wait();
            })
        },
    },
    Station {
        wait: "event",
        enter: |world| {
            world.event.wait();
            world.event.clear();
        },
        hold: |world| Box::new(|| world.event.set()),
    },
    Station {
        wait: "event",
        enter: |world| {
            // It waits in the middle of making the value.
            world.once.get_or_init(|| {
                world.gate.wait();
                7
            });
        },
        hold: |world| Box::new(|| world.gate.set()),
    },
    Station {
        wait: "send",
        enter: |world| world.full.0.send(1).unwrap(),
        hold: |world| {
            Box::new(|| {
                world.full.1.recv().unwrap();
            })
        },
    },
    Station {
        wait: "receive",
        enter: |world| assert_eq!(world.empty.1.recv(), Ok(2)),
        hold: |world| Box::new(|| world.empty.0.send(2).unwrap()),
    },
    Station {
        wait: "receive",
        enter: |world| assert_eq!(world.list.1.recv(), Ok(3)),
        hold: |world| Box::new(|| world.list.0.send(3).unwrap()),
    },
    Station {
        wait: "send",
        enter: |world| world.to_hand.0.send(4).unwrap(),
        hold: |world| Box::new(|| assert_eq!(world.to_hand.1.recv(), Ok(4))),
    },
    Station {
        wait: "receive",
        enter: |world| assert_eq!(world.from_hand.1.recv(), Ok(5)),
        hold: |world| Box::new(|| world.from_hand.0.send(5).unwrap()),
    },
    Station {
        wait: "select",
        enter: |world| {
            let [bounded, list, zero] = &world.selected;
            select! {
                recv(bounded.1) -> _ => unreachable!("nobody sends there"),
                recv(list.1) -> message => assert_eq!(message, Ok(6)),
                recv(zero.1) -> _ => unreachable!("nobody sends there"),
            }
        },
        hold: |world| Box::new(|| world.selected[1].0.send(6).unwrap()),
    },
    Station {
        wait: "select",
        enter: |world| {
            let [bounded, list, zero] = &world.selected;
            select! {
                recv(bounded.1) -> _ => unreachable!("nobody sends there"),
                recv(list.1) -> _ => unreachable!("nobody sends there"),
                send(zero.0, 8) -> sent => sent.unwrap(),
            }
        },
        hold: |world| Box::new(|| assert_eq!(world.selected[2].1.recv(), Ok(8))),
    },
    Station {
        wait: "select",
        enter: |world| {
            let mut select = Select::new();
            for (_, receiver) in &world.selected {
                select.recv(receiver);
            }
            let operation = select.select();
            assert_eq!(operation.index(), 0);
            assert_eq!(operation.recv(&world.selected[0].1), Ok(9));
        },
        hold: |world| Box::new(|| world.selected[0].0.send(9).unwrap()),
    },
    Station {
        wait: "future",
        enter: |world| {
            greenhub::block_on(std::future::poll_fn(|context| {
                *world.future.lock() = Some(context.waker().clone());
                if world.future_ready.is_set() {
                    world.future_ready.clear();
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            }));
        },
        hold: |world| {
            Box::new(|| {
                world.future_ready.set();
                if let Some(waker) = &*world.future.lock() {
                    waker.wake_by_ref();
                }
            })
        },
    },
    Station {
        wait: "semaphore",
        enter: |world| assert_eq!(world.pool.spawn(|| 1).join().unwrap(), 1),
        hold: |world| {
            let stop = Arc::new(Event::new());
            let occupant = world.pool.spawn({
                let stop = Arc::clone(&stop);
                move || stop.wait()
            });
            Box::new(move || {
                stop.set();
                occupant.join().unwrap();
            })
        },
    },
    Station {
        wait: "accept",
        enter: |world| drop(world.listener.accept().unwrap()),
        hold: |world| {
            Box::new(|| drop(TcpStream::connect(world.listener.local_addr().unwrap()).unwrap()))
        },
    },
    Station {
        wait: "read",
        enter: |world| {
            let mut byte = [0];
            (&world.near).read_exact(&mut byte).unwrap();
        },
        hold: |world| Box::new(|| (&world.far).write_all(&[1]).unwrap()),
    },
];

fn victim(
    kind: Kind,
    world: &Arc<World>,
    tally: &Tally,
    enter: impl FnOnce(&World) + Send + 'static,
) -> greenhub::JoinHandle<()> {
    let (world, on_drop) = (Arc::clone(world), tally.on_drop());
    kind.spawn(move || {
        let _on_drop = on_drop;
        enter(&world);
    })
}

/// Every kind of greenlet and number of hubs. The scenario runs on an OS thread, so that it can hold what greenlets wait for.
fn everywhere(scenario: fn(Kind)) {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        scenario(kind);
    }
}

#[test]
fn a_wait_that_was_killed_leaves_all_as_it_was() {
    everywhere(|kind| {
        for station in STATIONS {
            let (world, tally) = (Arc::new(World::new()), Tally::new());
            let release = (station.hold)(&world);
            let killed = victim(kind, &world, &tally, station.enter);
            until_parked_in(killed.greenlet(), station.wait);
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed(), "{}", station.wait);
            assert_eq!(tally.get(), 1, "{}", station.wait);
            let next = victim(kind, &world, &tally, station.enter);
            until_parked_in(next.greenlet(), station.wait);
            release();
            next.join().unwrap();
        }
    });
}

#[test]
fn a_wait_whose_time_was_up_leaves_all_as_it_was() {
    everywhere(|kind| {
        for station in STATIONS {
            let (world, tally) = (Arc::new(World::new()), Tally::new());
            let release = (station.hold)(&world);
            let enter = station.enter;
            let impatient = Gate::new();
            let passed = impatient.clone();
            let patient = victim(kind, &world, &tally, move |world| {
                for _ in 0..3 {
                    let result = greenhub::timeout(Duration::from_millis(1), || enter(world));
                    assert!(result.is_err());
                }
                passed.open();
                enter(world);
            });
            impatient.pass();
            until_parked_in(patient.greenlet(), station.wait);
            release();
            patient.join().unwrap();
        }
    });
}

/// An OS thread's waits have time limits, too.
#[test]
fn a_threads_wait_whose_time_was_up_leaves_all_as_it_was() {
    let _watchdog = Watchdog::new();
    for station in STATIONS {
        let world = World::new();
        std::thread::scope(|s| {
            let (world, enter) = (&world, station.enter);
            let release = (station.hold)(world);
            let impatient = Gate::new();
            let passed = impatient.clone();
            let thread = s.spawn(move || {
                for _ in 0..3 {
                    let result = greenhub::timeout(Duration::from_millis(1), || enter(world));
                    assert!(result.is_err(), "{}", station.wait);
                }
                passed.open();
                enter(world);
            });
            impatient.pass();
            release();
            thread.join().unwrap();
        });
    }
}

/// One greenlet passes all stations, and is killed at the n-th, for every n.
#[test]
fn a_kill_at_every_point_of_a_scenario_runs_all_destructors() {
    everywhere(|kind| {
        for (last, last_station) in STATIONS.iter().enumerate() {
            let (world, tally) = (Arc::new(World::new()), Tally::new());
            let mut releases: Vec<_> = Vec::new();
            // The two that share a lock with another are held when their turn comes.
            let inner = tally.clone();
            let here = Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
            let at = Arc::clone(&here);
            let go = Arc::new(Semaphore::new(0));
            let gone = Arc::clone(&go);
            let traveller = victim(kind, &world, &tally, move |world| {
                for (number, station) in STATIONS.iter().enumerate() {
                    let _on_drop = inner.on_drop();
                    // Held before it enters.
                    greenhub::shield(|| gone.acquire().forget());
                    at.store(number, std::sync::atomic::Ordering::Release);
                    (station.enter)(world);
                }
            });
            for (number, station) in STATIONS.iter().enumerate().take(last + 1) {
                let release = (station.hold)(&world);
                go.add_permits(1);
                eventually("the traveller comes to the station", || {
                    here.load(std::sync::atomic::Ordering::Acquire) == number
                });
                until_parked_in(traveller.greenlet(), station.wait);
                if number < last {
                    release();
                } else {
                    releases.push(release);
                }
            }
            traveller.kill();
            assert!(traveller.join().unwrap_err().is_killed());
            assert_eq!(tally.get(), last + 2, "one at each station, and its own");
            let next = victim(kind, &world, &tally, last_station.enter);
            until_parked_in(next.greenlet(), last_station.wait);
            releases.into_iter().for_each(|release| release());
            next.join().unwrap();
        }
    });
}

/// What lets the wait go on races with the kill: either the greenlet had it, or it is there for the next.
#[test]
fn a_kill_that_races_with_the_end_of_a_wait_loses_nothing() {
    const ROUNDS: u32 = if cfg!(debug_assertions) { 10 } else { 100 };
    everywhere(|kind| {
        let mut killed = 0;
        for station in STATIONS {
            let tally = Tally::new();
            let mut expected = 0;
            for round in 0..ROUNDS {
                let world = Arc::new(World::new());
                let raced = std::thread::scope(|s| {
                    let release = (station.hold)(&world);
                    let raced = victim(kind, &world, &tally, station.enter);
                    expected += 1;
                    until_parked_in(raced.greenlet(), station.wait);
                    let greenlet = raced.greenlet().clone();
                    s.spawn(move || {
                        for _ in 0..round * 7 {
                            std::hint::spin_loop();
                        }
                        greenlet.kill();
                    });
                    // It may itself wait for one who comes: the next, if the first was killed.
                    let ended = s.spawn(|| {
                        let result = raced.join();
                        let was_killed = result.is_err_and(|error| error.is_killed());
                        if was_killed {
                            victim(kind, &world, &tally, station.enter)
                                .join()
                                .expect("what was not taken is there for the next");
                        }
                        was_killed
                    });
                    release();
                    ended.join().unwrap()
                });
                expected += usize::from(raced);
                killed += usize::from(raced);
                eventually("all destructors have run", || tally.get() == expected);
            }
        }
        assert!(killed > 0, "no kill came first");
    });
}

/// Dropping a runtime ends the greenlets that wait on its channels and locks; threads outside go on using these.
#[test]
fn a_runtime_that_ends_leaves_what_its_greenlets_waited_for_to_the_threads() {
    let _watchdog = Watchdog::new();
    for station in STATIONS {
        let world = Arc::new(World::new());
        let tally = Tally::new();
        let runtime = runtime(2);
        let release = (station.hold)(&world);
        let (shared, on_drop) = (Arc::clone(&world), tally.on_drop());
        let waiter = runtime.spawn(move || {
            let _on_drop = on_drop;
            (station.enter)(&shared);
        });
        until_parked_in(waiter.greenlet(), station.wait);
        drop(runtime);
        assert_eq!(tally.get(), 1, "{}", station.wait);
        std::thread::scope(|s| {
            let thread = s.spawn(|| (station.enter)(&world));
            release();
            thread.join().unwrap();
        });
    }
}
