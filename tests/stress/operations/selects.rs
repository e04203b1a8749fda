//! Selecting among the world's lines.

use std::sync::Arc;

use greenhub::channel::{Select, SelectedOperation, after, never, select, select_biased};

use super::Operation;
use super::channels::any_line;
use crate::actor::{Actor, How};
use crate::world::{Line, Message, World};

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("select!", 12, select_macro),
    Operation::leaf("select_biased!", 4, select_biased_macro),
    Operation::leaf("Select", 16, select_list),
    Operation::leaf("ready", 6, ready),
];

fn take(actor: &Actor, line: &Line, message: Message) {
    line.has_received(message, &actor.record, &actor.world.faults);
}

fn select_macro(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let (from, other) = (any_line(actor, &world.lines), any_line(actor, &world.lines));
    let into = any_line(actor, &world.lines);
    match actor.how_long() {
        How::WithoutEnd => {
            // Supplied as one that receives here; the rest may come first.
            let _waiting = from.receivers.enter();
            select! {
                recv(from.receiver) -> message => take(actor, from, message.unwrap()),
                recv(other.receiver) -> message => take(actor, other, message.unwrap()),
                send(into.sender, into.message(actor.token(), &actor.record)) -> sent => {
                    sent.unwrap();
                    into.has_sent();
                }
                recv(never::<Message>()) -> _ => unreachable!("nothing comes from there"),
            }
        }
        How::For(length) => select! {
            send(into.sender, into.message(actor.token(), &actor.record)) -> sent => {
                sent.unwrap();
                into.has_sent();
            }
            recv(from.receiver) -> message => take(actor, from, message.unwrap()),
            recv(after(length)) -> _ => {}
        },
        How::NotAtAll => select! {
            recv(from.receiver) -> message => take(actor, from, message.unwrap()),
            recv(other.receiver) -> message => take(actor, other, message.unwrap()),
            default => {}
        },
    }
}

fn select_biased_macro(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let (from, into) = (any_line(actor, &world.lines), any_line(actor, &world.lines));
    let length = actor.brief();
    select_biased! {
        send(into.sender, into.message(actor.token(), &actor.record)) -> sent => {
            sent.unwrap();
            into.has_sent();
        }
        recv(from.receiver) -> message => take(actor, from, message.unwrap()),
        default(length) => {}
    }
}

/// What an operation of a list is.
enum Case<'w> {
    Send(&'w Line),
    Receive(&'w Line),
}

fn add<'w>(actor: &mut Actor, world: &'w World, select: &mut Select<'w>) -> Vec<Case<'w>> {
    let count = 1 + actor.below(5);
    let mut cases = Vec::new();
    for _ in 0..count {
        let line = any_line(actor, &world.lines);
        cases.push(if actor.chance(2) {
            select.send(&line.sender);
            Case::Send(line)
        } else {
            select.recv(&line.receiver);
            Case::Receive(line)
        });
    }
    cases
}

fn complete(actor: &mut Actor, cases: &[Case<'_>], operation: SelectedOperation<'_>) {
    match cases[operation.index()] {
        Case::Send(line) => {
            let message = line.message(actor.token(), &actor.record);
            operation.send(&line.sender, message).unwrap();
            line.has_sent();
        }
        Case::Receive(line) => {
            let message = operation.recv(&line.receiver).unwrap();
            take(actor, line, message);
        }
    }
}

fn select_list(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let mut select = Select::new();
    let cases = add(actor, &world, &mut select);
    let selected = match actor.how_long() {
        How::WithoutEnd => {
            let _waiting = match cases[0] {
                Case::Send(line) => line.senders.enter(),
                Case::Receive(line) => line.receivers.enter(),
            };
            Some(select.select())
        }
        How::For(length) => select.select_timeout(length).ok(),
        How::NotAtAll => select.try_select().ok(),
    };
    if let Some(operation) = selected {
        complete(actor, &cases, operation);
    }
}

/// Two that only look whether the other is there do not meet: so these looks end by themselves.
fn ready(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let mut select = Select::new();
    let cases = add(actor, &world, &mut select);
    let length = actor.brief();
    let ready = if actor.chance(3) {
        select.try_ready().ok()
    } else {
        select.ready_timeout(length).ok()
    };
    match ready.map(|index| &cases[index]) {
        Some(Case::Send(line)) => {
            let message = line.message(actor.token(), &actor.record);
            if line.sender.try_send(message).is_ok() {
                line.has_sent();
            }
        }
        Some(Case::Receive(line)) => {
            if let Ok(message) = line.receiver.try_recv() {
                take(actor, line, message);
            }
        }
        None => {}
    }
}
