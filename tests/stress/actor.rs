//! An actor: who does one random thing after the other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use greenhub::JoinError;

use crate::crowd::{Record, Who};
use crate::support::Random;
use crate::world::{Rank, Token, World};

/// How deep operations may lie in one another.
const DEEPEST: u32 = 3;

/// So many actors at a time; beyond that, those who are there spawn no others.
const MOST: usize = 100;

/// A panic on purpose: whoever makes it, or joins who may, catches it.
pub(crate) struct Deliberate;

/// Who acts. It may be a greenlet of any kind, or an OS thread; a migrating one keeps it on its stack.
pub(crate) struct Actor {
    pub(crate) world: Arc<World>,
    pub(crate) record: Arc<Record>,
    random: Random,
    /// The highest of what it holds: it waits without end for higher ones only.
    rank: Rank,
    depth: u32,
}

/// How long to wait for something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    WithoutEnd,
    For(Duration),
    NotAtAll,
}

impl Actor {
    /// The world's own random numbers, never the same twice.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// `true` once in so many times.
    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// Some short time, often none.
    pub(crate) fn brief(&mut self) -> Duration {
        let micros = match self.below(16) {
            0..=3 => 0,
            4 | 5 => 1,
            6..=12 => self.below(60),
            13 | 14 => self.below(600),
            _ => self.below(3000),
        };
        Duration::from_micros(micros)
    }

    /// How to wait for something that others hold no longer than they must; without end only if it comes after all that
    /// the actor holds, so that no two wait for each other.
    pub(crate) fn how(&mut self, rank: Rank) -> How {
        match self.below(8) {
            0 | 1 => How::NotAtAll,
            2 | 3 => How::For(self.brief()),
            _ if rank <= self.rank => How::For(self.brief()),
            _ => How::WithoutEnd,
        }
    }

    /// May it wait without end for something of this rank?
    pub(crate) fn may_wait_for(&self, rank: Rank) -> bool {
        rank > self.rank
    }

    /// How to wait for something that nobody has to give before the world supplies it: see `supply`.
    pub(crate) fn how_long(&mut self) -> How {
        let one_in = if self.rank == Rank::NOTHING { 3 } else { 12 };
        if self.chance(one_in) {
            How::WithoutEnd
        } else if self.chance(3) {
            How::NotAtAll
        } else {
            How::For(self.brief())
        }
    }

    /// There are enough actors for now.
    pub(crate) fn is_crowded(&self) -> bool {
        self.world.crowd.alive() > MOST
    }

    pub(crate) fn token(&self) -> Token {
        self.world.ledger.token()
    }

    /// Does something.
    #[inline(never)]
    pub(crate) fn act(&mut self) {
        if self.world.is_settling() {
            return;
        }
        let mix = &self.world.mix;
        let (number, operation) = mix.choose(&mut self.random, self.depth >= DEEPEST);
        let before = self.record.turn_to(number);
        (operation.run)(self);
        self.record.turn_to(before);
        self.world.progress.step(number);
    }

    /// The same actor within something: it holds `rank` as well.
    pub(crate) fn within(&mut self, rank: Rank) -> Actor {
        Actor {
            world: Arc::clone(&self.world),
            record: Arc::clone(&self.record),
            random: Random::new(self.below(u64::MAX)),
            rank: self.rank.max(rank),
            depth: self.depth + 1,
        }
    }

    /// Does something while it holds something of that rank; often nothing.
    pub(crate) fn act_within(&mut self, rank: Rank) {
        if self.chance(self.world.mix.lingers) {
            self.within(rank).act();
        } else if self.chance(self.world.mix.keeps) {
            let (begun, length) = (Instant::now(), Duration::from_micros(self.below(60)));
            while begun.elapsed() < length {
                std::hint::spin_loop();
            }
        }
    }

    /// A place for one who runs beside this one, who may wait for its end.
    pub(crate) fn seat(&mut self, kind: &'static str) -> Seat {
        self.seat_within(kind, Rank::NOTHING)
    }

    /// The same for one who holds something of that rank as long as it lives.
    pub(crate) fn seat_within(&mut self, kind: &'static str, rank: Rank) -> Seat {
        let seed = self.below(u64::MAX);
        let mut seat = Seat::new(&self.world, kind, seed);
        (seat.rank, seat.depth) = (self.rank.max(rank), self.depth + 1);
        seat
    }
}

/// What goes with an actor from before it is spawned until it is gone.
pub(crate) struct Seat {
    world: Arc<World>,
    record: Arc<Record>,
    seed: u64,
    rank: Rank,
    depth: u32,
    /// Dropped with the closure, or with what becomes of it.
    token: Option<Token>,
}

impl Seat {
    pub(crate) fn new(world: &Arc<World>, kind: &'static str, seed: u64) -> Seat {
        Seat {
            world: Arc::clone(world),
            record: world.crowd.join(kind),
            seed,
            rank: Rank::NOTHING,
            depth: 0,
            token: Some(world.ledger.token()),
        }
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Plays a part. What it panics with, if not on purpose, is a fault.
    pub(crate) fn play<R>(mut self, part: impl FnOnce(&mut Actor) -> R) -> (R, Token) {
        let who = match greenhub::try_current() {
            Some(greenlet) => Who::Greenlet(greenlet),
            None => Who::Thread(thread::current()),
        };
        self.world.crowd.introduce(&self.record, who);
        let mut actor = Actor {
            world: Arc::clone(&self.world),
            record: Arc::clone(&self.record),
            random: Random::new(self.seed),
            rank: self.rank,
            depth: self.depth,
        };
        match catch_unwind(AssertUnwindSafe(|| part(&mut actor))) {
            Ok(value) => (value, self.token.take().expect("it is taken once")),
            Err(payload) => {
                if let Some(text) = text(&*payload) {
                    let fault = format!("{} panicked: {text}", self.record);
                    self.world.faults.tell(fault);
                } else if !payload.is::<Deliberate>() {
                    expect_killed(&actor, "was unwound");
                }
                resume_unwind(payload)
            }
        }
    }

    /// Plays the part of one who does `steps` things.
    pub(crate) fn live(self, steps: u64) -> Token {
        self.play(|actor| live(actor, steps)).1
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.token.take());
        self.world.crowd.leave(&self.record);
    }
}

/// Does so many things, or fewer if the round is over. Every second actor refuses to be killed in between.
fn live(actor: &mut Actor, steps: u64) {
    let stays = matches!(
        actor.record.kind,
        "settled" | "scoped" | "local" | "compute"
    );
    let refuses = actor.chance(2);
    let home = this_thread();
    for _ in 0..steps {
        if actor.world.is_settling() {
            break;
        }
        if refuses {
            if greenhub::catch_kill(|| actor.act()).is_err() {
                expect_killed(actor, "was killed");
            }
        } else {
            actor.act();
        }
        if stays && this_thread() != home {
            let fault = format!("{} has moved to another thread", actor.record);
            actor.world.faults.tell(fault);
        }
    }
}

// Not inlined: a migrating greenlet must not keep the address of a thread-local across a wait.
#[inline(never)]
fn this_thread() -> ThreadId {
    thread::current().id()
}

fn expect_killed(actor: &Actor, what: &str) {
    if !actor.record.was_killed() && !actor.world.is_closing() {
        let fault = format!("{} {what}, but by nobody", actor.record);
        actor.world.faults.tell(fault);
    }
}

/// Whether an actor may have ended so.
pub(crate) fn judge(world: &World, record: &Record, error: JoinError) {
    let fault = if error.is_killed() {
        !record.was_killed() && !world.is_closing()
    } else {
        !error.is_panic() || text(&*error.into_panic()).is_some()
    };
    if fault {
        world
            .faults
            .tell(format!("{record} has not ended as it should"));
    }
}

/// The text of a panic that nobody has made on purpose.
fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
