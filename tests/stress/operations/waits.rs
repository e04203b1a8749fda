//! Waits that need nobody else, or whoever comes along.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Instant;

use greenhub::{channel, time};

use super::Operation;
use crate::actor::{Actor, How};
use crate::world::Token;

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("yield", 8, |_| greenhub::yield_now()),
    Operation::leaf("checkpoint", 2, |_| greenhub::checkpoint()),
    Operation::leaf("sleep", 4, sleep),
    Operation::leaf("park", 8, park),
    Operation::leaf("unpark somebody", 8, wake),
    Operation::leaf("kill somebody", 3, kill),
    Operation::leaf("clock channel", 2, clock),
    Operation::leaf("interval", 1, interval),
    Operation::leaf("future", 4, future),
    Operation::leaf("offload", 2, offload),
    Operation::leaf("greenlet_local", 2, local),
    Operation::leaf("compute", 1, compute),
];

fn sleep(actor: &mut Actor) {
    let (begun, length) = (Instant::now(), actor.brief());
    if actor.chance(2) {
        greenhub::sleep(length);
    } else {
        greenhub::sleep_until(begun + length);
    }
    if begun.elapsed() < length {
        actor.world.faults.tell("a sleep was too short");
    }
}

fn park(actor: &mut Actor) {
    match actor.how_long() {
        How::WithoutEnd => actor.record.park(|| greenhub::park()),
        How::For(length) => greenhub::park_timeout(length),
        How::NotAtAll => greenhub::park_timeout(std::time::Duration::ZERO),
    }
}

fn wake(actor: &mut Actor) {
    let mut random = crate::support::Random::new(actor.below(u64::MAX));
    if let Some(other) = actor.world.crowd.anyone(&mut random) {
        if actor.chance(3) {
            other.nudge();
        } else {
            other.wake();
        }
    }
}

fn kill(actor: &mut Actor) {
    let mut random = crate::support::Random::new(actor.below(u64::MAX));
    if let Some(other) = actor.world.crowd.anyone(&mut random) {
        other.kill();
    }
}

fn clock(actor: &mut Actor) {
    let length = actor.brief();
    match actor.below(3) {
        0 => drop(channel::after(length).recv()),
        1 => drop(channel::at(Instant::now() + length).recv_timeout(actor.brief())),
        _ => {
            let ticks = channel::tick(length.max(std::time::Duration::from_micros(1)));
            ticks.iter().take(2).for_each(drop);
        }
    }
}

fn interval(actor: &mut Actor) {
    let mut interval = time::interval(actor.brief().max(std::time::Duration::from_micros(1)));
    for _ in 0..=actor.below(3) {
        interval.tick();
    }
}

/// Makes a future ready, and wakes whoever waits for it, when it is dropped: whether its greenlet has run or not.
struct Ready {
    is_ready: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
    wakes: u64,
    _token: Token,
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.is_ready.store(true, Ordering::SeqCst);
        for _ in 0..self.wakes {
            let waker = self.waker.lock().unwrap().clone();
            waker.iter().for_each(Waker::wake_by_ref);
        }
    }
}

/// A future that somebody else wakes, perhaps before it is pending, perhaps more than once.
fn future(actor: &mut Actor) {
    let ready = Ready {
        is_ready: Arc::default(),
        waker: Arc::default(),
        wakes: 1 + actor.below(3),
        _token: actor.token(),
    };
    let (is_ready, waker) = (Arc::clone(&ready.is_ready), Arc::clone(&ready.waker));
    match actor.below(3) {
        0 => drop(ready),
        1 => drop(greenhub::spawn(move || drop(ready))),
        _ => drop(greenhub::spawn_after(actor.brief(), move || drop(ready))),
    }
    greenhub::block_on(std::future::poll_fn(|context| {
        *waker.lock().unwrap() = Some(context.waker().clone());
        if is_ready.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
}

fn offload(actor: &mut Actor) {
    let (length, token) = (actor.brief() / 8, actor.token());
    let number = token.number();
    let token = greenhub::offload(move || {
        std::thread::sleep(length);
        token
    });
    if token.number() != number {
        actor
            .world
            .faults
            .tell("an offloaded call gave another's value");
    }
}

/// Tokens that end with their greenlet, or thread, whose destructor waits.
struct Hoard(RefCell<Vec<Token>>);

impl Drop for Hoard {
    fn drop(&mut self) {
        if greenhub::try_current().is_some() {
            greenhub::yield_now();
        }
        self.0.get_mut().clear();
    }
}

greenhub::greenlet_local! {
    static HOARD: Hoard = Hoard(RefCell::default());
}

fn local(actor: &mut Actor) {
    let token = actor.token();
    HOARD.with(|hoard| hoard.0.borrow_mut().push(token));
    greenhub::yield_now();
    let token = HOARD.with(|hoard| hoard.0.borrow_mut().pop());
    if token.is_none() {
        actor.world.faults.tell("a greenlet has another's locals");
    }
    if actor.chance(2) {
        HOARD.with(|hoard| hoard.0.borrow_mut().extend(token));
    }
}

/// Keeps the hub for longer than it should.
fn compute(actor: &mut Actor) {
    let (begun, length) = (Instant::now(), actor.brief());
    while begun.elapsed() < length {
        greenhub::checkpoint();
    }
}
