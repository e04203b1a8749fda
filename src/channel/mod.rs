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
//! A loop that asks again and again (`try_recv`, `try_send`, `is_empty`, `len`, a `select!` with a default, ..) lets the
//! others of its hub run once a millisecond: what has been tried in vain counts as a [`checkpoint`](crate::checkpoint), but
//! one that delivers no kill.
//!
//! | file | what |
//! | --- | --- |
//! | `sender`, `receiver` | the two sides |
//! | `shared` | what they share |
//! | `buffered`, `store` | channels that hold messages, and what they need of a queue |
//! | `ring`, `list`, `limited` | the queues: for some messages, for any number, for very many |
//! | `rendezvous`, `packet`, `meeting` | the channel that holds none |
//! | `clock` | messages from the clock |
//! | `returned`, `destructors` | what was selected and not received, and what nobody receives |
//! | `select`, `chance`, `macros`, `selected`, `operation` | waiting for several |
//!
//! [`crossbeam-channel`]: https://docs.rs/crossbeam-channel

mod buffered;
mod chance;
mod clock;
mod destructors;
mod error;
mod limited;
mod list;
mod macros;
mod meeting;
mod operation;
mod packet;
mod patience;
mod receiver;
mod rendezvous;
mod returned;
mod ring;
mod select;
mod selected;
mod sender;
mod shared;
mod store;

use std::time::{Duration, Instant};

pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
#[doc(inline)]
pub use macros::{select, select_biased};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::Select;
pub use selected::SelectedOperation;
pub use sender::Sender;

use clock::Clock;
use receiver::Source;
use shared::{Flavor, Shared};

use crate::primitive::sync::Arc;

/// A channel that holds `capacity` messages: senders wait while it is full. With zero, a message goes from hand to hand: each
/// send waits for a receive.
///
/// Any capacity will do. Room for up to 65,536 messages is made with the channel; with a larger capacity it is made as messages
/// come, so that `bounded(usize::MAX)` costs no more than [`unbounded`].
///
/// ```
/// let (sender, receiver) = greenhub::channel::bounded(1);
/// sender.send(1).unwrap();
/// assert!(sender.try_send(2).unwrap_err().is_full());
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    sides(Flavor::bounded(capacity))
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
    sides(Flavor::unbounded())
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
