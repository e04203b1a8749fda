//! A settled greenlet keeps its OS thread, and with it whatever belongs to that thread, through every kind of wait. A
//! migrating one moves when its own hub is busy.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use greenhub::net::{SocketAddr, TcpListener, TcpStream};
use support::{Random, Watchdog, runtime, times};

thread_local! {
    /// How often each greenlet has passed by here.
    static VISITS: RefCell<HashMap<u64, u64>> = RefCell::new(HashMap::new());
    /// What a thread lends to its greenlets, as `rand::rng()` does.
    static SHARED: Rc<Cell<u64>> = Rc::new(Cell::new(0));
    /// A plain value, whose address a compiler may keep.
    static TAG: Cell<u64> = const { Cell::new(0) };
}

static NEXT_TAG: AtomicUsize = AtomicUsize::new(1);

/// This thread's own number.
#[inline]
fn tag() -> u64 {
    if TAG.get() == 0 {
        TAG.set(NEXT_TAG.fetch_add(1, Ordering::Relaxed) as u64);
    }
    TAG.get()
}

/// Where a greenlet began, and what it holds of its thread's. Not `Send`, like much that real code keeps on its stack.
struct Home {
    thread: ThreadId,
    tag: u64,
    shared: Rc<Cell<u64>>,
    number: u64,
    visits: u64,
}

impl Home {
    fn here() -> Home {
        let number = NEXT_TAG.fetch_add(1, Ordering::Relaxed) as u64;
        VISITS.with_borrow_mut(|visits| visits.insert(number, 0));
        let shared = SHARED.with(Rc::clone);
        Home {
            thread: thread::current().id(),
            tag: tag(),
            shared,
            number,
            visits: 0,
        }
    }

    /// It is still the same thread.
    #[inline(always)]
    fn check(&mut self, after: &str) {
        assert_eq!(thread::current().id(), self.thread, "after {after}");
        assert_eq!(tag(), self.tag, "a thread-local changed after {after}");
        assert!(
            SHARED.with(|shared| Rc::ptr_eq(shared, &self.shared)),
            "an Rc changed hands after {after}"
        );
        // Racy if another thread did the same.
        self.shared.set(self.shared.get() + 1);
        let copies: Vec<_> = (0..3).map(|_| Rc::clone(&self.shared)).collect();
        self.visits += 1;
        let visits = VISITS.with_borrow_mut(|visits| {
            let visits = visits
                .get_mut(&self.number)
                .expect("it was put into this thread's map");
            *visits += 1;
            *visits
        });
        assert_eq!(visits, self.visits, "after {after}");
        drop(copies);
    }

    /// Waits in every way that there is. The thread-locals are used in this very function before and after each.
    fn wait_in_every_way(&mut self, random: &mut Random, echo: SocketAddr) {
        let mut before: HashMap<u64, &str> = HashMap::new();
        before.insert(self.number, "kept");

        greenhub::yield_now();
        self.check("yield_now");

        greenhub::sleep(Duration::from_micros(random.below(300)));
        self.check("sleep");

        let me = greenhub::current();
        let waker = greenhub::spawn(move || {
            greenhub::yield_now();
            me.unpark();
        });
        greenhub::park();
        self.check("park");
        waker.join().unwrap();
        self.check("join");

        greenhub::park_timeout(Duration::from_micros(random.below(200)));
        self.check("park_timeout");

        let spinner = greenhub::spawn(|| (0..100).sum::<u64>());
        match spinner.join_timeout(Duration::from_micros(random.below(50))) {
            Ok(sum) => assert_eq!(sum.unwrap(), 4950),
            Err(handle) => {
                self.check("join_timeout");
                assert_eq!(handle.join().unwrap(), 4950);
            }
        }
        self.check("join of a late one");

        let mut sum = 0;
        greenhub::scope(|s| {
            s.spawn(|| sum += 1);
        });
        assert_eq!(sum, 1);
        self.check("scope");

        greenhub::spawn_after(Duration::from_micros(random.below(200)), || ())
            .join()
            .unwrap();
        self.check("spawn_after");

        greenhub::spawn_compute(thread::yield_now).join().unwrap();
        self.check("join of the compute lane");

        let handles = (0..3).map(|i| greenhub::spawn(move || i));
        assert_eq!(
            greenhub::as_completed(handles)
                .map(Result::unwrap)
                .sum::<i32>(),
            3
        );
        self.check("as_completed");

        let handles = (0..3).map(|i| greenhub::spawn(move || i));
        assert_eq!(
            greenhub::join_all(handles)
                .into_iter()
                .map(Result::unwrap)
                .sum::<i32>(),
            3
        );
        self.check("join_all");

        let mut local = Rc::new(7);
        greenhub::spawn_local({
            let local = Rc::clone(&local);
            move || assert_eq!(*local, 7)
        })
        .join()
        .unwrap();
        assert!(Rc::get_mut(&mut local).is_some());
        self.check("join of a local one");

        for _ in 0..200 {
            greenhub::checkpoint();
        }
        self.check("checkpoint");

        let mut stream = TcpStream::connect(echo).unwrap();
        self.check("connect");
        stream.write_all(&self.number.to_le_bytes()).unwrap();
        self.check("write");
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).unwrap();
        self.check("read");
        assert_eq!(u64::from_le_bytes(reply), self.number);

        assert_eq!(before.get(&self.number), Some(&"kept"));
    }
}

/// Answers whatever comes, and stays on its thread, too.
fn echo_server() -> (SocketAddr, greenhub::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = greenhub::spawn(move || {
        let mut home = Home::here();
        loop {
            let (mut peer, _) = listener.accept().unwrap();
            home.check("accept");
            let _detached = greenhub::spawn(move || {
                let mut home = Home::here();
                let mut buffer = [0; 8];
                while peer.read_exact(&mut buffer).is_ok() {
                    home.check("the server's read");
                    peer.write_all(&buffer).unwrap();
                    home.check("the server's write");
                }
            });
        }
    });
    (address, server)
}

#[test]
fn a_settled_greenlet_keeps_its_thread_through_every_wait() {
    let _watchdog = Watchdog::start();
    let runtime = runtime(4);
    let done = Arc::new(AtomicBool::new(false));
    let load = runtime.run({
        let done = Arc::clone(&done);
        move || {
            let (address, server) = echo_server();
            let rounds = times(15, 3);
            let seen = Arc::new(Mutex::new(HashSet::new()));
            let subjects: Vec<_> = (0..100)
                .map(|seed| {
                    let seen = Arc::clone(&seen);
                    greenhub::spawn(move || {
                        occupy_until_all_hubs_begin(&seen, 4);
                        let mut random = Random::new(seed);
                        let mut home = Home::here();
                        for _ in 0..rounds {
                            home.wait_in_every_way(&mut random, address);
                        }
                    })
                })
                .collect();
            while seen.lock().unwrap().len() < 4 {
                greenhub::yield_now();
            }
            // The load: somebody computes on every hub now and then, and fresh greenlets are stolen all the time. Not before
            // all hubs have begun a subject: a hub with work of its own steals none.
            let load = greenhub::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let batch: Vec<_> = (0..40)
                        .map(|i| greenhub::spawn(move || spin(1000 * i)))
                        .collect();
                    batch.into_iter().for_each(|handle| handle.join().unwrap());
                }
            });
            subjects
                .into_iter()
                .for_each(|subject| subject.join().unwrap());
            server.kill();
            load
        }
    });
    done.store(true, Ordering::Relaxed);
    load.join().unwrap();
}

/// Keeps this hub until every other has begun one of the greenlets, so that they are spread over all threads.
fn occupy_until_all_hubs_begin(seen: &Mutex<HashSet<ThreadId>>, hubs: usize) {
    seen.lock().unwrap().insert(thread::current().id());
    while seen.lock().unwrap().len() < hubs {
        thread::yield_now();
    }
}

/// Threads outside unpark greenlets, and greenlets of other hubs do.
#[test]
fn a_wake_up_from_anywhere_finds_a_settled_greenlet_at_home() {
    let _watchdog = Watchdog::start();
    let runtime = runtime(4);
    let wakes = times(2000, 200);
    let subjects: Vec<_> = (0..8)
        .map(|_| {
            runtime.spawn(move || {
                let mut home = Home::here();
                for _ in 0..wakes {
                    greenhub::park();
                    home.check("park");
                }
            })
        })
        .collect();
    let greenlets: Vec<_> = subjects
        .iter()
        .map(|subject| subject.greenlet().clone())
        .collect();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (greenlets, handle) = (greenlets.clone(), runtime.handle());
            thread::spawn(move || {
                let mut ended = false;
                while !ended {
                    let wakers: Vec<_> = greenlets
                        .iter()
                        .cloned()
                        .map(|one| handle.spawn(move || one.unpark()))
                        .collect();
                    wakers.into_iter().for_each(|waker| waker.join().unwrap());
                    greenlets.iter().for_each(greenhub::Greenlet::unpark);
                    ended = handle.metrics().alive() == 0;
                }
            })
        })
        .collect();
    subjects
        .into_iter()
        .for_each(|subject| subject.join().unwrap());
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_settled_greenlet_unwinds_on_its_thread() {
    struct Witness(Home);
    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.check("a kill");
            ENDED.fetch_add(1, Ordering::Relaxed);
        }
    }
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let _watchdog = Watchdog::start();
    let runtime = runtime(4);
    let count = times(2000, 200);
    let killed = Arc::new(AtomicUsize::new(0));
    let greenlets: Vec<_> = (0..count)
        .map(|_| {
            let killed = Arc::clone(&killed);
            runtime.spawn(move || {
                killed.fetch_add(1, Ordering::Relaxed);
                let _witness = Witness(Home::here());
                greenhub::park();
            })
        })
        .collect();
    while killed.load(Ordering::Relaxed) < count {
        thread::yield_now();
    }
    greenlets.iter().for_each(greenhub::JoinHandle::kill);
    for greenlet in greenlets {
        assert!(greenlet.join().unwrap_err().is_killed());
    }
    assert_eq!(ENDED.load(Ordering::Relaxed), count);
}

/// Not inlined into what suspends: see `spawn_migrating`.
#[inline(never)]
fn thread_here() -> ThreadId {
    thread::current().id()
}

fn spin(turns: u64) {
    for turn in 0..turns {
        std::hint::black_box(turn);
    }
}

/// The hub of a migrating greenlet runs a hog until the greenlet has been seen elsewhere: if it did not move, this would
/// not end.
fn moves(wait: fn(&greenhub::Greenlet)) {
    let _watchdog = Watchdog::start();
    let runtime = runtime(2);
    for _ in 0..times(100, 20) {
        let moved = Arc::new(AtomicBool::new(false));
        // SAFETY: it keeps nothing of its thread's across a wait.
        let mover = unsafe {
            runtime.run(|| {
                greenhub::spawn_migrating({
                    let moved = Arc::clone(&moved);
                    move || {
                        let home = thread_here();
                        let hog = Arc::clone(&moved);
                        let _detached = greenhub::spawn_local(move || {
                            while !hog.load(Ordering::Relaxed) {
                                std::hint::spin_loop();
                            }
                        });
                        let me = greenhub::current();
                        while thread_here() == home {
                            wait(&me);
                        }
                        moved.store(true, Ordering::Relaxed);
                    }
                })
            })
        };
        mover.join().unwrap();
    }
}

#[test]
fn a_migrating_greenlet_moves_when_it_yields_and_its_hub_is_busy() {
    moves(|_| greenhub::yield_now());
}

#[test]
fn a_migrating_greenlet_moves_when_it_is_woken_and_its_hub_is_busy() {
    moves(|me| {
        let me = me.clone();
        // Somebody else's thread wakes it, again and again: the first time may find it not yet parked.
        let waker = thread::spawn(move || {
            me.unpark();
        });
        greenhub::park();
        waker.join().unwrap();
    });
}
