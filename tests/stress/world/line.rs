//! A channel, whose every message is received once, in its sender's order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use greenhub::channel::{Receiver, Sender, bounded, unbounded};

use super::faults::Faults;
use super::token::{Ledger, Token};
use super::waiters::Waiters;
use crate::crowd::Record;

/// See the module.
pub(crate) struct Line {
    number: usize,
    pub(crate) sender: Sender<Message>,
    pub(crate) receiver: Receiver<Message>,
    pub(crate) receivers: Waiters,
    pub(crate) senders: Waiters,
    sent: AtomicUsize,
    received: AtomicUsize,
}

/// What goes through lines.
#[derive(Debug)]
pub(crate) struct Message {
    token: Token,
    line: usize,
    sender: u32,
    number: u64,
}

/// The sender of what is supplied: no actor has this number.
const SUPPLY: u32 = 0;

impl Line {
    /// One of every kind.
    pub(crate) fn all() -> Vec<Line> {
        [Some(0), Some(0), Some(1), Some(3), None]
            .into_iter()
            .enumerate()
            .map(|(number, capacity)| Line::new(number, capacity.map_or_else(unbounded, bounded)))
            .collect()
    }

    fn new(number: usize, (sender, receiver): (Sender<Message>, Receiver<Message>)) -> Line {
        Line {
            number,
            sender,
            receiver,
            receivers: Waiters::default(),
            senders: Waiters::default(),
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
        }
    }

    /// Its place among the lines.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// A message for this line, from that actor.
    pub(crate) fn message(&self, token: Token, sender: &Record) -> Message {
        Message {
            token,
            line: self.number,
            sender: sender.number,
            number: sender.next_message(),
        }
    }

    /// A message is on its way.
    pub(crate) fn has_sent(&self) {
        self.sent.fetch_add(1, Ordering::SeqCst);
    }

    /// A message has arrived.
    pub(crate) fn has_received(&self, message: Message, receiver: &Record, faults: &Faults) {
        self.count_received(&message, faults);
        if !receiver.sees(self.number, message.sender, message.number) {
            faults.tell(format!(
                "message {} of actor {} overtook another on line {}",
                message.number, message.sender, self.number
            ));
        }
    }

    fn count_received(&self, message: &Message, faults: &Faults) {
        message.token.receive();
        self.received.fetch_add(1, Ordering::SeqCst);
        if message.line != self.number {
            faults.tell(format!(
                "a message for line {} came out of line {}",
                message.line, self.number
            ));
        }
    }

    /// As many messages as wait for one and will not get one from those that are there, or as much room.
    pub(crate) fn supply(&self, ledger: &Arc<Ledger>, faults: &Faults) {
        let (receivers, senders) = (self.receivers.count(), self.senders.count());
        let (there, room) = match self.receiver.capacity() {
            // Two that wait for one another need no third.
            Some(0) => (senders, receivers),
            Some(capacity) => (self.receiver.len(), capacity - self.receiver.len()),
            None => (self.receiver.len(), senders),
        };
        for _ in there..receivers {
            let message = Message {
                token: ledger.token(),
                line: self.number,
                sender: SUPPLY,
                number: self.sent.load(Ordering::SeqCst) as u64,
            };
            let patience = crate::supply::PATIENCE;
            if self.sender.send_timeout(message, patience).is_ok() {
                self.has_sent();
            }
        }
        for _ in room..senders {
            if let Ok(message) = self.receiver.recv_timeout(crate::supply::PATIENCE) {
                self.count_received(&message, faults);
            }
        }
    }

    /// Nobody sends or receives any more: what was sent was received, or is there.
    pub(crate) fn check(&self, faults: &Faults) {
        for message in self.receiver.try_iter() {
            self.count_received(&message, faults);
        }
        let (sent, received) = (
            self.sent.load(Ordering::SeqCst),
            self.received.load(Ordering::SeqCst),
        );
        if sent != received {
            faults.tell(format!(
                "line {}: {sent} messages sent, {received} received",
                self.number
            ));
        }
    }
}
