//! Values that count: each is dropped once, and received once if it was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

use super::faults::Faults;

/// How many tokens a round may make. One that comes near it ends.
const MOST: usize = 1 << 16;

/// How long the last tokens of a round may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

const UNBORN: u8 = 0;
const ALIVE: u8 = 1;
const RECEIVED: u8 = 2;
const DROPPED: u8 = 3;

/// What has become of each token of a round.
#[derive(Debug)]
pub(crate) struct Ledger {
    states: Box<[AtomicU8]>,
    born: AtomicUsize,
    faults: Arc<Faults>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Token {
    /// On the heap, so that an AddressSanitizer sees one that is dropped twice, or used after.
    number: Box<usize>,
    ledger: Arc<Ledger>,
}

impl Ledger {
    pub(crate) fn new(faults: &Arc<Faults>) -> Arc<Ledger> {
        Arc::new(Ledger {
            states: (0..MOST).map(|_| AtomicU8::new(UNBORN)).collect(),
            born: AtomicUsize::new(0),
            faults: Arc::clone(faults),
        })
    }

    /// A new one.
    pub(crate) fn token(self: &Arc<Ledger>) -> Token {
        let number = self.born.fetch_add(1, Ordering::Relaxed);
        self.states[number].store(ALIVE, Ordering::Relaxed);
        Token {
            number: Box::new(number),
            ledger: Arc::clone(self),
        }
    }

    /// The round should end.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.born.load(Ordering::Relaxed) > MOST / 2
    }

    /// At the end, when nobody can have one any more, or soon: whoever ends a greenlet last may be late.
    pub(crate) fn check_in_time(self: Arc<Ledger>) {
        let begun = Instant::now();
        while Arc::strong_count(&self) > 1 && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_micros(50));
        }
        // Acquire, with the releases of those who let go of it.
        fence(Ordering::Acquire);
        let born = self.born.load(Ordering::Relaxed);
        for (number, state) in self.states[..born].iter().enumerate() {
            let state = state.load(Ordering::Relaxed);
            if state != DROPPED {
                self.faults
                    .tell(format!("token {number} was never dropped (state {state})"));
            }
        }
    }
}

impl Token {
    /// It has come out of a channel.
    pub(crate) fn receive(&self) {
        self.turn(RECEIVED, &[ALIVE]);
    }

    /// Its number, which no other token of the round has.
    pub(crate) fn number(&self) -> usize {
        *self.number
    }

    fn turn(&self, next: u8, expected: &[u8]) {
        // Relaxed: a token is in one place, and whoever moves it between threads publishes it.
        let before = self.ledger.states[self.number()].swap(next, Ordering::Relaxed);
        if !expected.contains(&before) {
            self.ledger.faults.tell(format!(
                "token {} went from state {before} to {next}",
                self.number()
            ));
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.turn(DROPPED, &[ALIVE, RECEIVED]);
    }
}
