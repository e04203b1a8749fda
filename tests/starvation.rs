//! Nobody is starved by those that never wait for long, and a greenlet that computes holds up its own hub alone. What is
//! to go on is counted while the others go on; a greenlet that starves hangs its test.

mod support;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use greenhub::JoinHandle;
use greenhub::net::{TcpListener, TcpStream};
use support::{Kind, Watchdog, on_hubs, runtime, times};

type Flag = Arc<AtomicBool>;

/// Two greenlets that unpark each other until `done`.
fn ping_pong(kind: Kind, done: &Flag) -> [JoinHandle<usize>; 2] {
    let player = |done: Flag| {
        kind.spawn(move || {
            let mut rounds = 0;
            greenhub::park();
            let other = PARTNERS
                .lock()
                .unwrap()
                .iter()
                .find(|(me, _)| *me == greenhub::current().id())
                .unwrap()
                .1
                .clone();
            while !done.load(Ordering::Relaxed) {
                other.unpark();
                greenhub::park();
                rounds += 1;
            }
            other.unpark();
            rounds
        })
    };
    static PARTNERS: Mutex<Vec<(greenhub::GreenletId, greenhub::Greenlet)>> =
        Mutex::new(Vec::new());
    let pair = [player(Arc::clone(done)), player(Arc::clone(done))];
    let [ping, pong] = [pair[0].greenlet().clone(), pair[1].greenlet().clone()];
    let mut partners = PARTNERS.lock().unwrap();
    partners.push((ping.id(), pong.clone()));
    partners.push((pong.id(), ping.clone()));
    drop(partners);
    ping.unpark();
    pong.unpark();
    pair
}

/// What must go on whatever else the hubs do: yields, sleeps, fresh greenlets, sockets.
fn everyday_life(kind: Kind) {
    let yielder = kind.spawn(|| (0..times(2000, 200)).for_each(|_| greenhub::yield_now()));
    let sleeper =
        kind.spawn(|| (0..times(40, 10)).for_each(|_| greenhub::sleep(Duration::from_millis(1))));
    let spawner =
        kind.spawn(move || (0..times(500, 50)).for_each(|_| kind.spawn(|| ()).join().unwrap()));
    let echo = kind.spawn(move || echo(kind, times(200, 20)));
    for part in [yielder, sleeper, spawner, echo] {
        part.join().unwrap();
    }
}

/// So many round trips over loopback, to a server in the same runtime.
fn echo(kind: Kind, trips: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = kind.spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut buffer = [0; 16];
        while let Ok(length @ 1..) = peer.read(&mut buffer) {
            peer.write_all(&buffer[..length]).unwrap();
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let mut buffer = [0; 4];
    for trip in 0..trips as u32 {
        stream.write_all(&trip.to_le_bytes()).unwrap();
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(u32::from_le_bytes(buffer), trip);
    }
    drop(stream);
    server.join().unwrap();
}

fn ping_pong_starves_nobody(kind: Kind) {
    let done = Flag::default();
    let players = ping_pong(kind, &done);
    everyday_life(kind);
    done.store(true, Ordering::Relaxed);
    let rounds: usize = players
        .into_iter()
        .map(|player| player.join().unwrap())
        .sum();
    assert!(rounds > 0, "they did not play");
}

#[test]
fn ping_pong_starves_nobody_on_its_hub() {
    on_hubs(1, ping_pong_starves_nobody);
}

#[test]
fn ping_pong_starves_nobody_on_two_hubs() {
    on_hubs(2, ping_pong_starves_nobody);
}

fn yielders_starve_nobody(kind: Kind) {
    let done = Flag::default();
    let yielders: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            kind.spawn(move || {
                let mut yields = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    greenhub::yield_now();
                    yields += 1;
                }
                yields
            })
        })
        .collect();
    everyday_life(kind);
    done.store(true, Ordering::Relaxed);
    for yielder in yielders {
        assert!(yielder.join().unwrap() > 0, "a yielder was starved itself");
    }
}

#[test]
fn yielders_starve_neither_timers_nor_sockets_on_their_hub() {
    on_hubs(1, yielders_starve_nobody);
}

#[test]
fn yielders_starve_neither_timers_nor_sockets_on_two_hubs() {
    on_hubs(2, yielders_starve_nobody);
}

/// Greenlets that each spawn the next keep the queue of fresh ones filled for ever.
#[test]
fn spawners_starve_nobody() {
    fn next(kind: Kind, done: Flag, ended: Arc<AtomicUsize>) {
        if done.load(Ordering::Relaxed) {
            ended.fetch_add(1, Ordering::Relaxed);
        } else {
            drop(kind.spawn(move || next(kind, done, ended)));
        }
    }
    on_hubs(1, |kind| {
        let (done, ended) = (Flag::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..4 {
            let (done, ended) = (Arc::clone(&done), Arc::clone(&ended));
            drop(kind.spawn(move || next(kind, done, ended)));
        }
        everyday_life(kind);
        done.store(true, Ordering::Relaxed);
        while ended.load(Ordering::Relaxed) < 4 {
            greenhub::yield_now();
        }
    });
}

/// Threads outside keep the injector filled.
#[test]
fn greenlets_from_outside_have_their_turn_on_a_busy_hub() {
    on_hubs(1, |kind| {
        let done = Flag::default();
        let busy: Vec<_> = (0..2)
            .map(|_| {
                let done = Arc::clone(&done);
                kind.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        greenhub::yield_now();
                    }
                })
            })
            .collect();
        let handle = greenhub::runtime::Handle::current();
        let outside = thread::spawn(move || {
            (0..times(200, 20)).for_each(|_| handle.spawn(|| ()).join().unwrap())
        });
        while !outside.is_finished() {
            greenhub::yield_now();
        }
        outside.join().unwrap();
        done.store(true, Ordering::Relaxed);
        busy.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// It never waits, and so keeps its hub, until what it has spawned has run elsewhere.
#[test]
fn fresh_greenlets_go_on_while_their_spawner_spins() {
    on_hubs(2, |kind| {
        for _ in 0..times(50, 10) {
            let ran = Arc::new(AtomicUsize::new(0));
            let children: Vec<_> = (0..100)
                .map(|_| {
                    let ran = Arc::clone(&ran);
                    kind.spawn(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            while ran.load(Ordering::Relaxed) < children.len() {
                std::hint::spin_loop();
            }
            for child in children {
                child.join().unwrap();
            }
        }
    });
}

/// Even a single one, of which its own hub could be thought to take care in a moment.
#[test]
fn a_lone_fresh_greenlet_goes_on_while_its_spawner_spins() {
    on_hubs(2, |kind| {
        for _ in 0..times(200, 20) {
            let ran = Flag::default();
            let child = {
                let ran = Arc::clone(&ran);
                kind.spawn(move || ran.store(true, Ordering::Relaxed))
            };
            while !ran.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            child.join().unwrap();
        }
    });
}

/// Twice as many hogs as cores compute until the main lane has done its day's work beside them.
#[test]
fn the_compute_lane_leaves_the_main_lane_alone() {
    on_hubs(2, |kind| {
        let done = Flag::default();
        let begun = Arc::new(AtomicUsize::new(0));
        let hogs: Vec<_> = (0..4)
            .map(|_| {
                let (done, begun) = (Arc::clone(&done), Arc::clone(&begun));
                kind.builder().compute().spawn(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    while !done.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                    thread::current().name().unwrap().to_owned()
                })
            })
            .map(Result::unwrap)
            .collect();
        // As many as the lane has hubs begin; the others wait for theirs, for ever.
        while begun.load(Ordering::Relaxed) < 2 {
            greenhub::sleep(Duration::from_millis(1));
        }
        everyday_life(kind);
        assert_eq!(
            begun.load(Ordering::Relaxed),
            2,
            "hogs on another lane's hubs"
        );
        done.store(true, Ordering::Relaxed);
        let threads: HashSet<String> = hogs.into_iter().map(|hog| hog.join().unwrap()).collect();
        assert!(
            threads.iter().all(|thread| thread.contains("-compute-")),
            "{threads:?}"
        );
        assert!(!thread_name().contains("-compute-"));
    });
}

/// Not inlined into what suspends: see `spawn_migrating`.
#[inline(never)]
fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn a_lane_is_inherited_by_name_only() {
    let _watchdog = Watchdog::start();
    let runtime = runtime(2);
    let (compute, child, grandchild) = runtime.run(|| {
        greenhub::spawn_compute(|| {
            let child = greenhub::spawn(|| {
                (
                    thread_name(),
                    greenhub::spawn_compute(thread_name).join().unwrap(),
                )
            });
            let (child, grandchild) = child.join().unwrap();
            (thread_name(), child, grandchild)
        })
        .join()
        .unwrap()
    });
    assert!(compute.starts_with("greenhub-compute-"), "{compute}");
    assert!(
        child.starts_with("greenhub-") && !child.contains("compute"),
        "{child}"
    );
    assert!(grandchild.starts_with("greenhub-compute-"), "{grandchild}");
}

/// A loop that calls `checkpoint` shares its hub.
#[test]
fn checkpoints_let_others_run() {
    on_hubs(1, |kind| {
        let done = Flag::default();
        let hog = {
            let done = Arc::clone(&done);
            kind.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    greenhub::checkpoint();
                }
            })
        };
        let sleeper =
            kind.spawn(|| (0..20).for_each(|_| greenhub::sleep(Duration::from_millis(1))));
        sleeper.join().unwrap();
        done.store(true, Ordering::Relaxed);
        hog.join().unwrap();
    });
}

/// All hubs sleep when a timer wakes one of them, which notifies nobody of the settled greenlet that it runs. The migrating
/// one, whose timer is of the same hub, depends on somebody looking after that hub all the same.
#[test]
fn a_hub_that_gets_stuck_after_all_were_idle_is_looked_after() {
    for hubs in [2, 4] {
        let _watchdog = Watchdog::start();
        let runtime = runtime(hubs);
        runtime.run(|| {
            let gone_on = Flag::default();
            // SAFETY: it keeps nothing of its thread's across the wait.
            let sleeper = unsafe {
                let gone_on = Arc::clone(&gone_on);
                greenhub::spawn_migrating(move || {
                    greenhub::sleep(Duration::from_millis(400));
                    gone_on.store(true, Ordering::Relaxed);
                })
            };
            // Mostly the sleeper begins on this hub, too; where another stole it, nothing is shown this time.
            greenhub::sleep(Duration::from_millis(300));
            while !gone_on.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            sleeper.join().unwrap();
        });
    }
}
