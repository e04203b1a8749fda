//! Channels between greenlets and OS threads, mixed freely: [`crossbeam-channel`]'s interface, under its own names.
//!
//! ```
//! use greenhub::channel;
//!
//! let (sender, receiver) = channel::bounded(10);
//! greenhub::spawn(move || sender.send("from a greenlet").unwrap());
//! assert_eq!(receiver.recv(), Ok("from a greenlet")); // on an OS thread
//! ```
//!
//! A program that was written for crossbeam-channel compiles against this module when its paths are changed. What waits,
//! waits as everything here does: a greenlet parks, an OS thread blocks, and a kill or a
//! [`timeout`](crate::timeout) breaks it off without losing a message.
//!
//! | file | what |
//! | --- | --- |
//! | `sender`, `receiver` | the two sides |
//! | `shared` | what they share |
//! | `buffered`, `ring` | channels that hold messages, and the queue of the bounded ones |
//! | `rendezvous` | the channel that holds none |
//! | `clock` | messages from the clock |
//! | `select`, `macros`, `operation`, `erased` | waiting for several |
//!
//! [`crossbeam-channel`]: https://docs.rs/crossbeam-channel

mod buffered;
mod clock;
mod erased;
mod error;
mod macros;
mod operation;
mod patience;
mod receiver;
mod rendezvous;
mod ring;
mod select;
mod sender;
mod shared;

use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;

pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
#[doc(inline)]
pub use macros::{select, select_biased};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::{Select, SelectedOperation};
pub use sender::Sender;

use buffered::Buffered;
use clock::Clock;
use receiver::Source;
use rendezvous::Rendezvous;
use ring::Ring;
use shared::{Flavor, Shared};

use crate::primitive::sync::Arc;

/// A channel that holds `capacity` messages: senders wait while it is full. With zero, a message goes from hand to hand: each
/// send waits for a receive.
///
/// ```
/// let (sender, receiver) = greenhub::channel::bounded(1);
/// sender.send(1).unwrap();
/// assert!(sender.try_send(2).unwrap_err().is_full());
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    sides(if capacity == 0 {
        Flavor::Zero(Rendezvous::new())
    } else {
        Flavor::Bounded(Buffered::new(Ring::new(capacity)))
    })
}

/// A channel that holds any number of messages: no send ever waits.
///
/// ```
/// let (sender, receiver) = greenhub::channel::unbounded();
/// (0..1000).for_each(|i| sender.send(i).unwrap());
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 1000);
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    sides(Flavor::Unbounded(Buffered::new(SegQueue::new())))
}

fn sides<T>(flavor: Flavor<T>) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::new(flavor);
    let sender = Sender::new(Arc::clone(&shared));
    (sender, Receiver::new(Source::Shared(shared)))
}

/// A channel with one message, the time, that comes `duration` from now; it is never disconnected.
///
/// ```
/// use std::time::Duration;
///
/// let timeout = greenhub::channel::after(Duration::from_millis(1));
/// assert!(timeout.recv().is_ok());
/// assert!(timeout.try_recv().is_err());
/// ```
#[must_use]
pub fn after(duration: Duration) -> Receiver<Instant> {
    clock(Clock::once(Instant::now().checked_add(duration)))
}

/// A channel with one message, the time, that comes at `when`; it is never disconnected.
#[must_use]
pub fn at(when: Instant) -> Receiver<Instant> {
    clock(Clock::once(Some(when)))
}

/// A channel with a message, the time, every `duration`; it is never disconnected. A message that nobody takes in time delays
/// the next ones.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let began = Instant::now();
/// let ticks = greenhub::channel::tick(Duration::from_millis(2));
/// ticks.iter().take(3).for_each(drop);
/// assert!(began.elapsed() >= Duration::from_millis(6));
/// ```
#[must_use]
pub fn tick(duration: Duration) -> Receiver<Instant> {
    clock(Clock::ticks(duration))
}

fn clock(clock: Clock) -> Receiver<Instant> {
    Receiver::new(Source::Clock(Arc::new(clock), |at| at))
}

/// A channel whose message never comes, and which is never disconnected: for a `select` in which a case is to be left out.
///
/// ```
/// use greenhub::channel::{self, Receiver};
///
/// let nothing: Receiver<u8> = channel::never();
/// assert!(nothing.try_recv().is_err());
/// ```
#[must_use]
pub fn never<T>() -> Receiver<T> {
    Receiver::new(Source::Never)
}
