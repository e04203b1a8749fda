//! A socket that is waited for in two lanes (`net/registered.rs`): its registration moves, and nobody sleeps through an event.
//!
//! Caught: a move that leaves the old registration open; one that wakes nobody who waits there. (Two that moved it for ever,
//! when each could move what the other had just moved, were found by it, too.)

use std::cell::Cell;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::explore_within;
use crate::bell::Bell;
use crate::driver::Seen;
use crate::driver::readiness::{Cleared, Enrolled, Readiness};
use crate::net::{Current, Registered, Watch};

type Waiter = Arc<Bell>;

/// Not loom's: the kernel's steps must not be interrupted.
type Shared = std::sync::Arc<Readiness<Waiter>>;

loom::thread_local! {
    /// The lane of the caller.
    static LANE: Cell<usize> = Cell::new(0);
}

/// A registration with the driver of a lane.
#[derive(Debug)]
struct Registration {
    lane: usize,
    readiness: Shared,
    kernel: Arc<Kernel>,
}

/// The socket, and who is told of its events. One step of the kernel's is one step of loom's.
#[derive(Debug)]
struct Kernel {
    /// Acquires and releases, as the lock of a driver's table does around the same steps.
    step: AtomicUsize,
    socket: std::sync::Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    told: Vec<Shared>,
}

impl Kernel {
    fn step<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.step.fetch_add(1, Ordering::AcqRel);
        f(&mut self.socket.lock().unwrap())
    }

    /// A byte comes, and the pollers are told.
    fn receive(&self) {
        let told = self.step(|socket| {
            socket.bytes += 1;
            socket.told.clone()
        });
        told.iter().for_each(|readiness| event(readiness));
    }

    /// Takes a byte, if there is one.
    fn read(&self) -> bool {
        self.step(|socket| {
            let is_there = socket.bytes > 0;
            socket.bytes -= usize::from(is_there);
            is_there
        })
    }
}

fn event(readiness: &Readiness<Waiter>) {
    let mut woken = Vec::new();
    readiness.set(false, &mut woken);
    woken.into_iter().for_each(|waiter| waiter.ring());
}

impl Registration {
    /// With the lane of the caller. What is there is an event.
    fn make(kernel: &Arc<Kernel>) -> Registration {
        let readiness = Shared::new(Readiness::new());
        let is_ready = kernel.step(|socket| {
            socket.told.push(Shared::clone(&readiness));
            socket.bytes > 0
        });
        if is_ready {
            event(&readiness);
        }
        Registration {
            lane: LANE.with(Cell::get),
            readiness,
            kernel: Arc::clone(kernel),
        }
    }

    fn is_near(&self) -> bool {
        self.lane == LANE.with(Cell::get)
    }
}

impl Watch for Registration {
    type Woken = Vec<Waiter>;

    fn is_closed(&self) -> bool {
        self.readiness.look().is_closed()
    }

    fn is_awaited(&self) -> bool {
        self.readiness.is_awaited()
    }

    fn close(&self) -> Vec<Waiter> {
        let mut woken = Vec::new();
        self.readiness.close(&mut woken);
        woken
    }

    fn end(&self, woken: Vec<Waiter>) {
        let is_other = |other: &Shared| !Shared::ptr_eq(other, &self.readiness);
        self.kernel.step(|socket| socket.told.retain(is_other));
        woken.into_iter().for_each(|waiter| waiter.ring());
    }
}

struct Socket {
    kernel: Arc<Kernel>,
    registered: Registered<Registration>,
}

impl Socket {
    /// Somebody has waited for it in lane 0, in vain.
    fn new() -> Arc<Socket> {
        let kernel = Arc::new(Kernel {
            step: AtomicUsize::new(0),
            socket: std::sync::Mutex::default(),
        });
        let socket = Socket {
            kernel,
            registered: Registered::new(),
        };
        let first = socket.to_wait_with(None, true).expect("there was none");
        assert_eq!(first.readiness.clear(Seen::BIRTH), Cleared::Yes);
        drop(first);
        Arc::new(socket)
    }
}

impl Socket {
    fn current(&self) -> Option<(Current<'_, Registration>, Seen)> {
        self.registered
            .current(|registration| registration.readiness.look())
    }

    /// What `Source::wait` waits with, where the caller is.
    fn to_wait_with<'a>(
        &'a self,
        found: Option<Current<'a, Registration>>,
        may_move: bool,
    ) -> Option<Current<'a, Registration>> {
        let make = || Ok(Registration::make(&self.kernel));
        self.registered
            .to_wait_with(found, may_move, Registration::is_near, make)
            .unwrap()
    }

    /// Point 1 of the proof.
    fn assert_one_is_open(&self) {
        let told = self.kernel.step(|socket| socket.told.clone());
        let open = told
            .iter()
            .filter(|readiness| !readiness.look().is_closed());
        assert_eq!(open.count(), 1);
    }

    /// `Source::until_done`, for a byte, in `lane`.
    fn read(&self, lane: usize) {
        LANE.with(|own| own.set(lane));
        let bell = Arc::new(Bell::new());
        let mut may_move = true;
        loop {
            let found = self.current();
            let seen = found.as_ref().map_or(Seen::BIRTH, |(_, seen)| *seen);
            if seen.is_ready() && self.kernel.read() {
                return;
            }
            let found = found.map(|(found, _)| found);
            let Some(current) = self.to_wait_with(found, std::mem::take(&mut may_move)) else {
                continue;
            };
            if seen.is_ready() && current.readiness.clear(seen) == Cleared::No {
                continue;
            }
            if let Enrolled::Waiting(id) = current.readiness.enrol(Arc::clone(&bell)) {
                bell.wait();
                may_move = !current.is_closed();
                current.readiness.withdraw(id);
            }
        }
    }

    /// The same in `lane`, for one who gives up as soon as it waits.
    fn give_up(&self, lane: usize) {
        LANE.with(|own| own.set(lane));
        let found = self.current().map(|(found, _)| found);
        if let Some(current) = self.to_wait_with(found, true) {
            if let Enrolled::Waiting(id) = current.readiness.enrol(Arc::new(Bell::new())) {
                current.readiness.withdraw(id);
            }
        }
    }
}

/// One preemption.
#[test]
fn readers_of_two_lanes_each_get_a_byte() {
    explore_within(1, || {
        let socket = Socket::new();
        let other = Arc::clone(&socket);
        let other = thread::spawn(move || other.read(1));
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || (0..2).for_each(|_| poller.kernel.receive()));
        socket.read(0);
        other.join().unwrap();
        poller.join().unwrap();
        socket.assert_one_is_open();
    });
}

/// Two preemptions, here and below.
#[test]
fn a_reader_whose_registration_moves_away_gets_its_byte_when_the_mover_gives_up() {
    explore_within(2, || {
        let socket = Socket::new();
        let mover = Arc::clone(&socket);
        let mover = thread::spawn(move || mover.give_up(1));
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || poller.kernel.receive());
        socket.read(0);
        mover.join().unwrap();
        poller.join().unwrap();
        socket.assert_one_is_open();
    });
}

#[test]
fn a_reader_that_moves_the_registration_gets_its_byte_when_the_first_waiter_gives_up() {
    explore_within(2, || {
        let socket = Socket::new();
        let quitter = Arc::clone(&socket);
        let quitter = thread::spawn(move || quitter.give_up(0));
        let poller = Arc::clone(&socket);
        let poller = thread::spawn(move || poller.kernel.receive());
        socket.read(1);
        quitter.join().unwrap();
        poller.join().unwrap();
        socket.assert_one_is_open();
    });
}
