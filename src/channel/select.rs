//! Waiting for whichever of several operations can be done first.

use std::fmt;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::error::{
    ReadyTimeoutError, RecvError, SelectTimeoutError, SendError, TryReadyError, TrySelectError,
};
use super::operation::{Begun, Operation, Parcel};
use super::patience::Patience;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::greenlet::WaitKind;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::wait::{Enqueue, Outcome, deadline_after, has_passed, wait_any};

/// So many operations need no allocation.
const FEW: usize = 8;

/// A list of operations, of which one is to be done: the first that can be, and of several that can, any one. For a list that
/// is known when the program is written, [`select!`](crate::channel::select) reads better.
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
#[derive(Clone)]
pub struct Select<'a> {
    cases: SmallVec<[Case<'a>; FEW]>,
    next: usize,
    biased: bool,
}

#[derive(Clone, Copy)]
struct Case<'a> {
    operation: &'a dyn Operation,
    /// What the user knows it by.
    index: usize,
    /// Where its sender or receiver is.
    address: *const (),
}

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
    /// An empty list. Of several operations that can be done, any is chosen, so that none is neglected for ever.
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
        self.cases.swap_remove(place);
    }

    /// Selects an operation that can be done now.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.run(Limit::Now).ok_or(TrySelectError)
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
        self.find_ready(Limit::Now).ok_or(TryReadyError)
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

    /// The cases in the order in which they are to be tried.
    fn in_order(&self) -> impl Iterator<Item = &Case<'a>> {
        let first = if self.biased || self.cases.len() < 2 {
            0
        } else {
            random_below(self.cases.len())
        };
        let (before, after) = self.cases.split_at(first);
        after.iter().chain(before)
    }

    #[track_caller]
    fn run(&mut self, limit: Limit) -> Option<SelectedOperation<'a>> {
        let mut patience = Patience::new();
        loop {
            if let Some(selected) = self
                .in_order()
                .find_map(|case| case.selected(case.operation.begin()))
            {
                return Some(selected);
            }
            if matches!(limit, Limit::Now) {
                return None;
            }
            if patience.pause(|| self.cases.iter().any(|case| case.operation.is_ready())) {
                continue;
            }
            let parcels = self.cases.iter().map(|case| case.operation.parcel());
            let mut parcels: SmallVec<[Parcel; FEW]> = parcels.collect();
            let told = self.wait(parcels.iter().map(|parcel| parcel.tag), limit);
            if let Told::Case(at, token) = told {
                // What it was told of comes first: see `buffered.rs`.
                let case = self.cases[at];
                let parcel = std::mem::replace(&mut parcels[at], Parcel::NONE);
                let begun = match token {
                    Some(token) => case.operation.accept(token, parcel),
                    None => case.operation.begin(),
                };
                if let Some(selected) = case.selected(begun) {
                    return Some(selected);
                }
            } else if matches!(told, Told::TimeIsUp) {
                return self
                    .in_order()
                    .find_map(|case| case.selected(case.operation.begin()));
            }
        }
    }

    #[track_caller]
    fn find_ready(&mut self, limit: Limit) -> Option<usize> {
        loop {
            if let Some(case) = self.in_order().find(|case| case.operation.is_ready()) {
                return Some(case.index);
            }
            if matches!(limit, Limit::Now) {
                return None;
            }
            match self.wait(self.cases.iter().map(|_| Parcel::NONE.tag), limit) {
                Told::Case(at, token) => {
                    let case = self.cases[at];
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
    Case(usize, Option<crate::wait::Token>),
    /// An operation on a clock is ready.
    Clock,
    /// None has become ready in time.
    TimeIsUp,
}

impl<'a> Case<'a> {
    fn selected(&self, begun: Option<Begun>) -> Option<SelectedOperation<'a>> {
        Some(SelectedOperation {
            begun: Some(begun?),
            case: *self,
        })
    }
}

/// A number below `bound`, different from call to call. (A linear congruential generator, after Knuth's MMIX; calls that
/// race may get the same.)
fn random_below(bound: usize) -> usize {
    static STATE: AtomicU64 = AtomicU64::new(0x2545_F491_4F6C_DD1D);
    let next = STATE
        .load(Ordering::Relaxed)
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    STATE.store(next, Ordering::Relaxed);
    (((next >> 32) * bound as u64) >> 32) as usize
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

/// An operation that was selected, and must be completed by [`SelectedOperation::send`] or [`SelectedOperation::recv`].
///
/// # Panics
///
/// When it is dropped without that, unless the thread is panicking already.
#[must_use = "a selected operation must be completed"]
pub struct SelectedOperation<'a> {
    begun: Option<Begun>,
    case: Case<'a>,
}

impl SelectedOperation<'_> {
    /// The operation's number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.case.index
    }

    /// Completes a send. `sender` must be the one that was added to the list.
    ///
    /// # Errors
    ///
    /// If all receivers are gone. The message comes back.
    ///
    /// # Panics
    ///
    /// If another sender was selected.
    #[track_caller]
    pub fn send<T>(mut self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        let begun = self.take(std::ptr::from_ref(sender).cast(), "sender");
        sender.complete(begun, message).map_err(SendError)
    }

    /// Completes a receive. `receiver` must be the one that was added to the list.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone.
    ///
    /// # Panics
    ///
    /// If another receiver was selected.
    #[track_caller]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let begun = self.take(std::ptr::from_ref(receiver).cast(), "receiver");
        receiver.complete(begun).ok_or(RecvError)
    }

    #[track_caller]
    fn take(&mut self, address: *const (), kind: &str) -> Begun {
        assert!(
            std::ptr::eq(self.case.address, address),
            "operation {} was selected, which is not this {kind}'s",
            self.case.index
        );
        self.begun.take().expect("an operation is completed once")
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.case.operation.abandon(begun);
            assert!(
                std::thread::panicking(),
                "operation {} was selected, and its `SelectedOperation` dropped without completing it",
                self.case.index
            );
        }
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation")
            .field("index", &self.case.index)
            .finish_non_exhaustive()
    }
}
