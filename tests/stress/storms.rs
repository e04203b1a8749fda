//! Everything at once, many times: no greenlet is lost or run twice, no wake-up is lost, every kill ends what it was for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{KINDS, Kind, Random, Watchdog, on_hubs, runtime, times};
use greenhub::{Greenlet, JoinHandle};

#[test]
fn every_greenlet_runs_exactly_once() {
    on_hubs(4, |kind| {
        let spawners = 8;
        let each = times(15_000, 500);
        let runs: Arc<[AtomicU32]> = (0..spawners * each).map(|_| AtomicU32::new(0)).collect();
        let handle = greenhub::runtime::Handle::current();
        let work =
            move |spawner: usize, runs: Arc<[AtomicU32]>, spawn: &dyn Fn(Job) -> JoinHandle<()>| {
                let handles: Vec<_> = (spawner * each..(spawner + 1) * each)
                    .map(|index| {
                        let runs = Arc::clone(&runs);
                        spawn(Box::new(move || {
                            runs[index].fetch_add(1, Ordering::Relaxed);
                            if index % 3 == 0 {
                                greenhub::yield_now();
                            }
                        }))
                    })
                    .collect();
                handles
                    .into_iter()
                    .for_each(|handle| handle.join().unwrap());
            };
        let greenlets: Vec<_> = (0..spawners / 2)
            .map(|spawner| {
                let runs = Arc::clone(&runs);
                kind.spawn(move || work(spawner, runs, &|job| kind.spawn(job)))
            })
            .collect();
        let threads: Vec<_> = (spawners / 2..spawners)
            .map(|spawner| {
                let (runs, handle) = (Arc::clone(&runs), handle.clone());
                thread::spawn(move || work(spawner, runs, &|job| handle.spawn(job)))
            })
            .collect();
        greenlets
            .into_iter()
            .for_each(|spawner| spawner.join().unwrap());
        while !threads.iter().all(thread::JoinHandle::is_finished) {
            greenhub::sleep(Duration::from_millis(1));
        }
        threads
            .into_iter()
            .for_each(|spawner| spawner.join().unwrap());
        for (index, runs) in runs.iter().enumerate() {
            assert_eq!(runs.load(Ordering::Relaxed), 1, "greenlet {index}");
        }
    });
}

type Job = Box<dyn FnOnce() + Send>;

/// A number that others raise, and the greenlet that wants to see every raise.
#[derive(Default)]
struct Mailbox(AtomicUsize);

impl Mailbox {
    /// Parks until all of `expected` have come.
    fn receive(&self, expected: usize) {
        while self.0.load(Ordering::Acquire) < expected {
            greenhub::park();
        }
    }

    fn post(&self, receiver: &Greenlet) {
        self.0.fetch_add(1, Ordering::Release);
        receiver.unpark();
    }
}

#[test]
fn no_wake_up_is_lost_in_a_storm_of_them() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = runtime(4);
        let (posts, threads) = (times(20_000, 1000), 3);
        let receivers: Vec<(Arc<Mailbox>, JoinHandle<()>)> = runtime.run(|| {
            (0..8)
                .map(|_| {
                    let mailbox = Arc::new(Mailbox::default());
                    let receiver = Arc::clone(&mailbox);
                    (
                        mailbox,
                        kind.spawn(move || receiver.receive(posts * (threads + 1))),
                    )
                })
                .collect()
        });
        let targets: Arc<[(Arc<Mailbox>, Greenlet)]> = receivers
            .iter()
            .map(|(mailbox, handle)| (Arc::clone(mailbox), handle.greenlet().clone()))
            .collect();
        let post_all = move |targets: Arc<[(Arc<Mailbox>, Greenlet)]>| {
            for _ in 0..posts {
                targets
                    .iter()
                    .for_each(|(mailbox, greenlet)| mailbox.post(greenlet));
            }
        };
        let outside: Vec<_> = (0..threads)
            .map(|_| {
                let targets = Arc::clone(&targets);
                thread::spawn(move || post_all(targets))
            })
            .collect();
        let inside = runtime.run(|| kind.spawn(move || post_all(targets)));
        inside.join().unwrap();
        outside
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        receivers
            .into_iter()
            .for_each(|(_, handle)| handle.join().unwrap());
    }
}

/// Two greenlets on two hubs: each parks until the other has had its turn. Every wake-up meets a hub that is about to go
/// idle, or has just done so.
#[test]
fn ping_pong_between_hubs_goes_on() {
    on_hubs(2, |kind| {
        let turns = times(100_000, 5000);
        let turn = Arc::new(AtomicUsize::new(0));
        let begun = Arc::new(AtomicUsize::new(0));
        let play = move |turn: &AtomicUsize, me: usize, other: &Greenlet| {
            for mine in (me..turns).step_by(2) {
                while turn.load(Ordering::Acquire) != mine {
                    greenhub::park();
                }
                turn.store(mine + 1, Ordering::Release);
                other.unpark();
            }
        };
        let me = greenhub::current();
        let other = {
            let (turn, begun) = (Arc::clone(&turn), Arc::clone(&begun));
            kind.spawn(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                play(&turn, 1, &me);
            })
        };
        // It must begin on the other hub, since this one is not to be had.
        while begun.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        play(&turn, 0, other.greenlet());
        other.join().unwrap();
        assert_eq!(turn.load(Ordering::Relaxed), turns);
    });
}

#[test]
fn an_unpark_that_races_with_a_deadline_leaves_its_permit() {
    on_hubs(4, |kind| {
        let pairs: Vec<_> = (0..4)
            .map(|seed| {
                kind.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..times(2000, 100) {
                        let posted = Arc::new(AtomicBool::new(false));
                        let sleeper = {
                            let (posted, nanos) =
                                (Arc::clone(&posted), 2000 + random.below(60_000));
                            kind.spawn(move || {
                                // Whether the deadline or the unpark comes first, the permit is taken once, below or here.
                                greenhub::park_timeout(Duration::from_nanos(nanos));
                                while !posted.load(Ordering::Acquire) {
                                    greenhub::park_timeout(Duration::from_nanos(nanos));
                                }
                            })
                        };
                        for _ in 0..random.below(4) {
                            greenhub::yield_now();
                        }
                        posted.store(true, Ordering::Release);
                        sleeper.greenlet().unpark();
                        sleeper.join().unwrap();
                    }
                })
            })
            .collect();
        pairs.into_iter().for_each(|pair| pair.join().unwrap());
    });
}

/// Counts those that live.
struct Living(Arc<AtomicUsize>);

impl Living {
    fn one_of(count: &Arc<AtomicUsize>) -> Living {
        count.fetch_add(1, Ordering::Relaxed);
        Living(Arc::clone(count))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One way of waiting after the other, for ever.
fn wait_somehow(kind: Kind, random: &mut Random, living: &Arc<AtomicUsize>) {
    let _inner = Living::one_of(living);
    match random.below(8) {
        0 => greenhub::yield_now(),
        1 => greenhub::sleep(Duration::from_micros(random.below(300))),
        2 => greenhub::park_timeout(Duration::from_micros(random.below(300))),
        3 => {
            let me = greenhub::current();
            let waker = kind.spawn(move || me.unpark());
            greenhub::park();
            drop(waker);
        }
        4 => {
            let child = Living::one_of(living);
            let _ = kind.spawn(move || drop(child)).join();
        }
        5 => {
            let (mut sum, children) = (0, Living::one_of(living));
            greenhub::scope(|s| {
                s.spawn(|| sum += 1);
                greenhub::yield_now();
            });
            drop((sum, children));
        }
        6 => drop(greenhub::spawn_after(Duration::from_micros(random.below(100)), || ()).join()),
        _ => {
            // A killer itself.
            let victim = kind.spawn(greenhub::park);
            victim.kill();
            assert!(victim.join().unwrap_err().is_killed());
        }
    }
}

#[test]
fn kills_at_any_moment_end_everything_and_leak_nothing() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        for round in 0..times(20, 2) {
            let runtime = runtime(4);
            let living = Arc::new(AtomicUsize::new(0));
            let victims: Vec<JoinHandle<()>> = runtime.run(|| {
                (0..300)
                    .map(|index| {
                        let living = Arc::clone(&living);
                        let mine = Living::one_of(&living);
                        kind.spawn(move || {
                            let _mine = mine;
                            let mut random = Random::new(round as u64 * 1000 + index);
                            loop {
                                wait_somehow(kind, &mut random, &living);
                            }
                        })
                    })
                    .collect()
            });
            let targets: Vec<Greenlet> = victims
                .iter()
                .map(|victim| victim.greenlet().clone())
                .collect();
            let killers: Vec<_> = (0..3)
                .map(|seed| {
                    let targets = targets.clone();
                    thread::spawn(move || {
                        let mut random = Random::new(seed);
                        for _ in 0..times(600, 600) {
                            let target = &targets[random.below(targets.len() as u64) as usize];
                            if random.below(2) == 0 {
                                target.kill()
                            } else {
                                target.unpark()
                            }
                            if random.below(8) == 0 {
                                thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            killers
                .into_iter()
                .for_each(|killer| killer.join().unwrap());
            // Half of the rounds end what is left by hand, the others leave it to the runtime's end.
            if round % 2 == 0 {
                targets.iter().for_each(Greenlet::kill);
                for victim in victims {
                    assert!(victim.join().unwrap_err().is_killed());
                }
            }
            drop(runtime);
            assert_eq!(
                living.load(Ordering::Relaxed),
                0,
                "destructors that did not run, {kind:?}, round {round}"
            );
        }
    }
}

#[test]
fn a_kill_that_races_with_the_beginning_or_the_end_drops_everything_once() {
    on_hubs(4, |kind| {
        let living = Arc::new(AtomicUsize::new(0));
        for round in 0..times(20_000, 1000) {
            let mine = Living::one_of(&living);
            let victim = kind.spawn(move || {
                if round % 2 == 0 {
                    greenhub::yield_now();
                }
                mine
            });
            let greenlet = victim.greenlet().clone();
            let killer = kind.spawn(move || greenlet.kill());
            if round % 3 == 0 {
                greenhub::yield_now();
            }
            victim.kill();
            match victim.join() {
                Ok(mine) => drop(mine),
                Err(error) => assert!(error.is_killed()),
            }
            killer.join().unwrap();
        }
        assert_eq!(living.load(Ordering::Relaxed), 0);
    });
}

/// Greenlets are joined from threads and greenlets, with deadlines that race with their ends, and detached.
#[test]
fn every_join_gets_its_value() {
    on_hubs(4, |kind| {
        let joiners: Vec<_> = (0..4_u64)
            .map(|seed| {
                kind.spawn(move || {
                    let mut random = Random::new(seed);
                    for number in 0..times(5000, 200) {
                        let pause = random.below(3);
                        let handle = kind.spawn(move || {
                            match pause {
                                0 => {}
                                1 => greenhub::yield_now(),
                                _ => greenhub::sleep(Duration::from_micros(20)),
                            }
                            Box::new(number)
                        });
                        match random.below(4) {
                            0 => drop(handle),
                            1 => assert_eq!(*handle.join().unwrap(), number),
                            2 => {
                                let mut handle = handle;
                                let value = loop {
                                    match handle
                                        .join_timeout(Duration::from_micros(random.below(40)))
                                    {
                                        Ok(value) => break value,
                                        Err(back) => handle = back,
                                    }
                                };
                                assert_eq!(*value.unwrap(), number);
                            }
                            _ => {
                                while !handle.is_finished() {
                                    greenhub::yield_now();
                                }
                                assert_eq!(*handle.join().unwrap(), number);
                            }
                        }
                    }
                })
            })
            .collect();
        joiners
            .into_iter()
            .for_each(|joiner| joiner.join().unwrap());
    });
}

/// A tree of scopes, whose leaves borrow from the root.
#[test]
fn scopes_within_scopes_see_every_child_end() {
    fn count(depth: u32, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return greenhub::yield_now();
        }
        greenhub::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| count(depth - 1, leaves));
            }
        });
    }
    on_hubs(4, |_| {
        for _ in 0..times(20, 2) {
            let leaves = AtomicUsize::new(0);
            count(5, &leaves);
            assert_eq!(leaves.into_inner(), 1024);
        }
    });
}
