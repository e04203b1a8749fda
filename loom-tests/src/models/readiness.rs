//! One direction of one socket (`driver/readiness.rs`): nobody sleeps through an event, an end of stream or a close.
//!
//! Caught: an attempt that erases a later event; an event that does not publish its cause; an attempt that may come before its
//! look; a waiter that does not look once it is on the list; an event, or a close, that does not look for waiters; a short
//! read that hides the end; a waiter that takes the others along; a waiter that has gone and is still on the list; a close that is
//! cleared.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::{explore, explore_within};
use crate::bell::Bell;
use crate::driver::readiness::{Cleared, Enrolled, Readiness};

type Waiter = Arc<Bell>;

/// A socket as the kernel has it, and its registration.
struct Socket {
    /// Relaxed: only the readiness word orders an attempt after the cause of the event.
    bytes: AtomicUsize,
    ended: AtomicBool,
    readiness: Readiness<Waiter>,
}

/// What an attempt to read brought.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Bytes(usize),
    End,
    WouldBlock,
    Closed,
}

impl Socket {
    fn new() -> Arc<Socket> {
        Arc::new(Socket {
            bytes: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            readiness: Readiness::new(),
        })
    }

    /// The poller's dispatch of one event.
    fn event(&self, wary: bool) {
        let mut woken = Vec::new();
        self.readiness.set(wary, &mut woken);
        woken.into_iter().for_each(|waiter| waiter.ring());
    }

    fn receive(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.event(false);
    }

    fn attempt(&self) -> Read {
        let ended = self.ended.load(Ordering::Relaxed);
        match self.bytes.load(Ordering::Relaxed) {
            0 if ended => Read::End,
            0 => Read::WouldBlock,
            _ => Read::Bytes(self.bytes.swap(0, Ordering::Relaxed)),
        }
    }

    /// `Source::until_done`, for a read of more than will ever come.
    fn read(&self) -> Read {
        let bell = Arc::new(Bell::new());
        loop {
            let seen = self.readiness.look();
            if seen.is_closed() {
                return Read::Closed;
            }
            if seen.is_ready() {
                match self.attempt() {
                    Read::WouldBlock => {}
                    done => {
                        if matches!(done, Read::Bytes(_)) {
                            let _ = self.readiness.clear_after_short(seen);
                        }
                        return done;
                    }
                }
                if self.readiness.clear(seen) == Cleared::No {
                    continue;
                }
            }
            if let Enrolled::Waiting(id) = self.readiness.enrol(Arc::clone(&bell)) {
                bell.wait();
                self.readiness.withdraw(id);
            }
        }
    }
}

#[test]
fn a_read_that_races_with_an_event_gets_its_bytes() {
    explore(|| {
        let socket = Socket::new();
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || poller.receive(1));
        assert_eq!(socket.read(), Read::Bytes(1));
        poller.join().unwrap();
    });
}

#[test]
fn a_short_read_that_races_with_the_next_event_loses_no_bytes() {
    explore_within(3, || {
        let socket = Socket::new();
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || (0..2).for_each(|_| poller.receive(1)));
        let mut bytes = 0;
        while bytes < 2 {
            let Read::Bytes(more) = socket.read() else {
                panic!("nobody closes it")
            };
            bytes += more;
        }
        poller.join().unwrap();
    });
}

/// One event tells of the last bytes and of the end; no other comes.
#[test]
fn the_end_that_comes_with_the_last_bytes_is_read() {
    explore(|| {
        let socket = Socket::new();
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || {
            poller.ended.store(true, Ordering::Relaxed);
            poller.bytes.store(1, Ordering::Relaxed);
            poller.event(true);
        });
        let mut read = socket.read();
        if read == Read::Bytes(1) {
            read = socket.read();
        }
        // Loom may show the end before the bytes; a kernel does not.
        assert_eq!(read, Read::End);
        poller.join().unwrap();
    });
}

#[test]
fn a_close_ends_a_wait_that_races_with_it() {
    explore(|| {
        let socket = Socket::new();
        let closer = Arc::clone(&socket);
        let closer = thread::spawn(move || {
            let mut woken = Vec::new();
            closer.readiness.close(&mut woken);
            woken.into_iter().for_each(|waiter| waiter.ring());
        });
        assert_eq!(socket.read(), Read::Closed);
        closer.join().unwrap();
    });
}

/// A waiter that gives up (a timeout, a kill) takes nobody's wake-up along. Three preemptions.
#[test]
fn a_waiter_that_withdraws_leaves_the_other_its_event() {
    explore_within(3, || {
        let socket = Socket::new();
        assert_eq!(
            socket.readiness.clear(socket.readiness.look()),
            Cleared::Yes
        );
        let quitter = Arc::clone(&socket);
        let quitter = thread::spawn(move || {
            if let Enrolled::Waiting(id) = quitter.readiness.enrol(Arc::new(Bell::new())) {
                quitter.readiness.withdraw(id);
            }
        });
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || poller.receive(1));
        assert_eq!(socket.read(), Read::Bytes(1));
        quitter.join().unwrap();
        poller.join().unwrap();
        assert_eq!(socket.readiness.waiting(), 0);
    });
}
