//! An operation that a `select` has chosen.

use std::fmt;
use std::mem::MaybeUninit;

use super::error::{RecvError, SendError};
use super::operation::{Begun, Operation};
use super::packet::Packet;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::wait::Token;

/// One operation of a [`Select`](super::Select).
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) operation: &'a dyn Operation,
    /// What the user knows it by.
    pub(super) index: usize,
    /// Where its sender or receiver is.
    pub(super) address: *const (),
}

impl<'a> Case<'a> {
    /// Begins it, if that needs no waiting.
    pub(super) fn begin(&self) -> Option<SelectedOperation<'a>> {
        self.selected(self.operation.begin()?)
    }

    /// Begins it, after a wait that was completed.
    pub(super) fn accept(&self, token: Token, packet: &Packet) -> Option<SelectedOperation<'a>> {
        self.selected(self.operation.accept(token, packet)?)
    }

    fn selected(&self, begun: Begun) -> Option<SelectedOperation<'a>> {
        Some(SelectedOperation {
            begun: Some(begun),
            case: *self,
        })
    }
}

/// An operation that was selected, and must be completed by [`SelectedOperation::send`] or [`SelectedOperation::recv`]. Until
/// then it has a place, or a message, to itself: others wait for it.
///
/// # Panics
///
/// When it is dropped without that, unless the thread is panicking already. What it had reserved goes to others then.
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
    #[inline]
    pub fn send<T>(mut self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        let begun = self.take(std::ptr::from_ref(sender).cast(), "sender");
        sender.complete(begun, message)
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
    #[inline]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let begun = self.take(std::ptr::from_ref(receiver).cast(), "receiver");
        let mut message = MaybeUninit::uninit();
        // SAFETY: there is room.
        match unsafe { receiver.complete(begun, message.as_mut_ptr()) } {
            // SAFETY: it has been received.
            Ok(()) => Ok(unsafe { message.assume_init() }),
            Err(_) => Err(RecvError),
        }
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
