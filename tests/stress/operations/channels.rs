//! Sending and receiving: on the world's lines, and on channels that come and go.

use std::sync::Arc;

use greenhub::channel::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError, bounded,
    unbounded,
};

use super::Operation;
use crate::actor::{Actor, How};
use crate::world::{Line, Token};

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("send", 24, send),
    Operation::leaf("receive", 24, receive),
    Operation::leaf("receive what is there", 2, |actor| {
        let world = Arc::clone(&actor.world);
        let line = any_line(actor, &world.lines);
        for message in line.receiver.try_iter().take(4) {
            line.has_received(message, &actor.record, &world.faults);
        }
    }),
    Operation::leaf("clone a side", 2, |actor| {
        let world = Arc::clone(&actor.world);
        let line = any_line(actor, &world.lines);
        let sides = (line.sender.clone(), line.receiver.clone());
        greenhub::yield_now();
        drop(sides);
    }),
    Operation::leaf("a channel that ends", 8, short_lived),
];

pub(super) fn any_line<'w>(actor: &mut Actor, lines: &'w [Line]) -> &'w Line {
    &lines[actor.below(lines.len() as u64) as usize]
}

fn send(actor: &mut Actor) {
    let (world, how) = (Arc::clone(&actor.world), actor.how_long());
    let line = any_line(actor, &world.lines);
    send_to(actor, line, how);
}

/// Sends to that line.
pub(super) fn send_to(actor: &Actor, line: &Line, how: How) {
    let world = &actor.world;
    let message = line.message(actor.token(), &actor.record);
    let sent = match how {
        How::WithoutEnd => {
            let _waiting = line.senders.enter();
            line.sender.send(message).map_err(|_| "disconnected")
        }
        How::For(length) => match line.sender.send_timeout(message, length) {
            Err(SendTimeoutError::Timeout(_)) => return,
            other => other.map_err(|_| "disconnected"),
        },
        How::NotAtAll => match line.sender.try_send(message) {
            Err(TrySendError::Full(_)) => return,
            other => other.map_err(|_| "disconnected"),
        },
    };
    match sent {
        Ok(()) => line.has_sent(),
        Err(error) => world.faults.tell(format!("a line is {error}")),
    }
}

fn receive(actor: &mut Actor) {
    let (world, how) = (Arc::clone(&actor.world), actor.how_long());
    let line = any_line(actor, &world.lines);
    receive_from(actor, line, how);
}

/// Receives from that line.
pub(super) fn receive_from(actor: &Actor, line: &Line, how: How) {
    let world = &actor.world;
    let received = match how {
        How::WithoutEnd => {
            let _waiting = line.receivers.enter();
            line.receiver.recv().map_err(|_| "disconnected")
        }
        How::For(length) => match line.receiver.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => return,
            other => other.map_err(|_| "disconnected"),
        },
        How::NotAtAll => match line.receiver.try_recv() {
            Err(TryRecvError::Empty) => return,
            other => other.map_err(|_| "disconnected"),
        },
    };
    match received {
        Ok(message) => line.has_received(message, &actor.record, &world.faults),
        Err(error) => world.faults.tell(format!("a line is {error}")),
    }
}

/// Some send and one receives, or one sends and some receive, until one side is gone. Whoever waits then is told.
fn short_lived(actor: &mut Actor) {
    let (sender, receiver) = match actor.below(4) {
        0 => unbounded(),
        capacity => bounded(capacity as usize - 1),
    };
    let others = 1 + actor.below(3);
    let count = actor.below(6);
    if actor.chance(2) {
        for _ in 0..others {
            let sender = sender.clone();
            actor.detach(move |actor| send_some(actor, &sender, count));
        }
        drop(sender);
        let wanted = actor.below(2 * others * count + 1);
        receive_some(actor, &receiver, wanted);
    } else {
        for _ in 0..others {
            let receiver = receiver.clone();
            actor.detach(move |actor| receive_some(actor, &receiver, count));
        }
        drop(receiver);
        let wanted = actor.below(2 * others * count + 1);
        send_some(actor, &sender, wanted);
    }
}

fn send_some(actor: &mut Actor, sender: &Sender<Token>, count: u64) {
    for _ in 0..count {
        if sender.send(actor.token()).is_err() {
            break;
        }
    }
}

fn receive_some(actor: &mut Actor, receiver: &Receiver<Token>, count: u64) {
    for _ in 0..count {
        match receiver.recv() {
            Ok(token) => token.receive(),
            Err(_) => break,
        }
    }
    if actor.chance(4) {
        receiver.try_iter().for_each(|token| token.receive());
    }
}
