//! Waiting for whichever of several operations can be done first.

use std::fmt;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::chance::Chance;
use super::error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use super::operation::Operation;
use super::packet::{OBSERVER, Packet};
use super::patience::Patience;
use super::receiver::Receiver;
use super::selected::{Case, SelectedOperation};
use super::sender::Sender;
use crate::greenlet::WaitKind;
use crate::wait::{
    Enqueue, Outcome, Token, deadline_after, has_passed, wait_any, yield_if_overdue,
};

/// So many operations need no allocation.
const FEW: usize = 8;

/// A list of operations, of which one is to be done: the first that can be, and of several that can, any one, each as likely
/// as the others. For a list that is known when the program is written, [`select!`](crate::channel::select) reads better.
///
/// ```
/// use greenhub::channel::{Select, unbounded};
///
/// let (numbers, receive_number) = unbounded::<i32>();
/// let (_words, receive_word) = unbounded::<&str>();
/// greenhub::spawn(move || numbers.send(42).unwrap());
///
/// let mut select = Select::new();
/// let number = select.recv(&receive_number);
/// select.recv(&receive_word);
/// let operation = select.select();
/// assert_eq!(operation.index(), number);
/// assert_eq!(operation.recv(&receive_number), Ok(42));
/// ```
/// To select is to reserve: a place for a message to be sent, or a message to be received. It moves when the
/// [`SelectedOperation`] is completed, by whoever holds the sender or the receiver. So a list may be used by any thread, even
/// if the messages may not go there.
#[derive(Clone)]
pub struct Select<'a> {
    cases: SmallVec<[Case<'a>; FEW]>,
    next: usize,
    biased: bool,
}

// SAFETY: an `Operation` may be called on any thread, and this calls nothing else; the addresses are compared alone. It must
// stay so: a receiver of messages that are bound to a thread is itself bound to it, and what refers to it here is not.
unsafe impl Send for Select<'_> {}
// SAFETY: as above.
unsafe impl Sync for Select<'_> {}

/// Until when to wait.
#[derive(Clone, Copy)]
enum Limit {
    Now,
    Until(Instant),
    Endless,
}

impl Limit {
    fn of(timeout: Duration) -> Limit {
        deadline_after(timeout).map_or(Limit::Endless, Limit::Until)
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Limit::Until(deadline) => Some(deadline),
            _ => None,
        }
    }
}

impl<'a> Select<'a> {
    /// An empty list. Of several operations that can be done, any is chosen, each as often as the others.
    #[must_use]
    pub fn new() -> Select<'a> {
        Select {
            cases: SmallVec::new(),
            next: 0,
            biased: false,
        }
    }

    /// An empty list. Of several operations that can be done, the one that was added first is chosen.
    #[must_use]
    pub fn new_biased() -> Select<'a> {
        Select {
            biased: true,
            ..Select::new()
        }
    }

    /// Adds a send, and returns its number: 0 for the first operation that is added, and so on.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(sender, std::ptr::from_ref(sender).cast())
    }

    /// Adds a receive, and returns its number.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(receiver, std::ptr::from_ref(receiver).cast())
    }

    fn add(&mut self, operation: &'a dyn Operation, address: *const ()) -> usize {
        let index = self.next;
        self.cases.push(Case {
            operation,
            index,
            address,
        });
        self.next += 1;
        index
    }

    /// Takes an operation off the list. The others keep their numbers.
    ///
    /// # Panics
    ///
    /// If there is none of this number.
    pub fn remove(&mut self, index: usize) {
        let place = self.cases.iter().position(|case| case.index == index);
        let place = place.unwrap_or_else(|| {
            panic!("there is no operation {index}: it was never added, or removed before")
        });
        // In their order, for those who are biased.
        self.cases.remove(place);
    }

    /// Selects an operation that can be done now.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.run(Limit::Now).ok_or_else(|| {
            yield_if_overdue();
            TrySelectError
        })
    }

    /// Selects an operation, waiting until one can be done. One whose other side is gone can: it is completed with an error.
    ///
    /// # Panics
    ///
    /// If the list is empty.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.expect_some();
        self.run(Limit::Endless)
            .expect("an endless wait ends with an operation")
    }

    /// As [`Select::select`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If the time is up.
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.run(Limit::of(timeout)).ok_or(SelectTimeoutError)
    }

    /// As [`Select::select`], but waits no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is up.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.run(Limit::Until(deadline)).ok_or(SelectTimeoutError)
    }

    /// The number of an operation that could be done now. By the time it is, another may have been faster.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.find_ready(Limit::Now).ok_or_else(|| {
            yield_if_overdue();
            TryReadyError
        })
    }

    /// Waits until an operation can be done, and returns its number. By the time it is, another may have been faster.
    ///
    /// # Panics
    ///
    /// If the list is empty.
    #[track_caller]
    pub fn ready(&mut self) -> usize {
        self.expect_some();
        self.find_ready(Limit::Endless)
            .expect("an endless wait ends with an operation")
    }

    /// As [`Select::ready`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If the time is up.
    #[track_caller]
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.find_ready(Limit::of(timeout)).ok_or(ReadyTimeoutError)
    }

    /// As [`Select::ready`], but waits no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is up.
    #[track_caller]
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.find_ready(Limit::Until(deadline))
            .ok_or(ReadyTimeoutError)
    }

    #[track_caller]
    fn expect_some(&self) {
        assert!(
            !self.cases.is_empty(),
            "no operation has been added to this `Select`: it would wait for ever"
        );
    }

    /// Tries one case after the other, in an order of which each is as likely as the others, or in that in which they were
    /// added, until an attempt succeeds.
    fn find<R>(&mut self, mut attempt: impl FnMut(&Case<'a>) -> Option<R>) -> Option<R> {
        if self.biased || self.cases.len() < 2 {
            return self.cases.iter().find_map(attempt);
        }
        // Fisher and Yates' shuffle, no further than it is needed.
        let mut chance = Chance::new();
        let len = self.cases.len();
        (0..len).find_map(|at| {
            self.cases.swap(at, at + chance.below(len - at));
            attempt(&self.cases[at])
        })
    }

    #[track_caller]
    fn run(&mut self, limit: Limit) -> Option<SelectedOperation<'a>> {
        let mut patience = Patience::new();
        loop {
            if let Some(selected) = self.find(Case::begin) {
                return Some(selected);
            }
            if matches!(limit, Limit::Now) {
                return None;
            }
            if patience.pause(|| self.cases.iter().any(|case| case.operation.is_ready())) {
                continue;
            }
            let packets = self.cases.iter().map(|_| Packet::empty());
            let packets: SmallVec<[Packet; FEW]> = packets.collect();
            match self.wait(packets.iter().map(Packet::tag), limit) {
                // What it was told of comes first: see `buffered.rs`.
                Told::Case(at, token) => {
                    let case = &self.cases[at];
                    let selected = match token {
                        Some(token) => case.accept(token, &packets[at]),
                        None => case.begin(),
                    };
                    if selected.is_some() {
                        return selected;
                    }
                }
                Told::TimeIsUp => return self.find(Case::begin),
                Told::Clock => {}
            }
        }
    }

    #[track_caller]
    fn find_ready(&mut self, limit: Limit) -> Option<usize> {
        loop {
            let ready = self.find(|case| case.operation.is_ready().then_some(case.index));
            if ready.is_some() || matches!(limit, Limit::Now) {
                return ready;
            }
            match self.wait(self.cases.iter().map(|_| OBSERVER), limit) {
                Told::Case(at, token) => {
                    let case = &self.cases[at];
                    if token.is_some() {
                        // Somebody else may be waiting for just that.
                        case.operation.pass_on();
                    }
                    return Some(case.index);
                }
                Told::TimeIsUp => return None,
                Told::Clock => {}
            }
        }
    }

    /// Waits with these tags until an operation is ready, or the time is up.
    #[track_caller]
    fn wait(&self, tags: impl Iterator<Item = usize>, limit: Limit) -> Told {
        let queues = self.cases.iter().map(|case| {
            let queue: &dyn Enqueue = case.operation;
            queue
        });
        let waits: SmallVec<[(&dyn Enqueue, usize); FEW]> = queues.zip(tags).collect();
        let clock = self
            .cases
            .iter()
            .filter_map(|case| case.operation.ready_at())
            .min();
        let deadline = [limit.deadline(), clock].into_iter().flatten().min();
        match wait_any(&waits, WaitKind::Select, deadline) {
            Outcome::Ready(at) => Told::Case(at, None),
            Outcome::Completed(at, token) => Told::Case(at, Some(token)),
            Outcome::TimedOut if limit.deadline().is_some_and(|at| has_passed(Some(at))) => {
                Told::TimeIsUp
            }
            Outcome::TimedOut => Told::Clock,
        }
    }
}

/// How a wait ended.
enum Told {
    /// This operation may be ready; with a token if somebody said so.
    Case(usize, Option<Token>),
    /// An operation on a clock is ready.
    Clock,
    /// None has become ready in time.
    TimeIsUp,
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Select { .. }")
    }
}
