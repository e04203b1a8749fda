//! Reading and writing.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use greenhub::net::unix::UnixStream;
use greenhub::net::{TcpListener, TcpStream};

use super::Operation;
use crate::actor::{Actor, How};
use crate::world::Rank;

pub(super) const TABLE: &[Operation] = &[
    Operation::leaf("write bytes", 12, write),
    Operation::leaf("read bytes", 12, read),
    Operation::leaf("a connection that ends", 6, short_lived),
];

fn write(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let pipe = &world.pipes[actor.below(world.pipes.len() as u64) as usize];
    let count = 1 + actor.below(4096) as usize;
    let order = match (pipe.writing(), actor.how(Rank::WRITE)) {
        (None, _) => None,
        (Some(order), How::WithoutEnd) => Some(order.lock()),
        (Some(order), _) => match order.try_lock() {
            Some(order) => Some(order),
            None => return,
        },
    };
    let mut next = order;
    let mut unordered = 0;
    let next = next.as_deref_mut().unwrap_or(&mut unordered);
    // Counted in any case: a shield around this holds the limit back.
    let _waiting = pipe.writers.enter();
    match limit(actor.how_long()) {
        None => pipe.write(next, count, &world.faults),
        Some(length) => {
            let _ = greenhub::timeout(length, || pipe.write(next, count, &world.faults));
        }
    }
}

fn read(actor: &mut Actor) {
    let world = Arc::clone(&actor.world);
    let pipe = &world.pipes[actor.below(world.pipes.len() as u64) as usize];
    let count = 1 + actor.below(4096) as usize;
    let order = match (pipe.reading(), actor.how(Rank::READ)) {
        (None, _) => None,
        (Some(order), How::WithoutEnd) => Some(order.lock()),
        (Some(order), _) => match order.try_lock() {
            Some(order) => Some(order),
            None => return,
        },
    };
    let mut next = order;
    let mut unordered = 0;
    let next = next.as_deref_mut().unwrap_or(&mut unordered);
    // Counted in any case: a shield around this holds the limit back.
    let _waiting = pipe.readers.enter();
    match limit(actor.how_long()) {
        None => pipe.read(next, count, &world.faults),
        Some(length) => {
            let _ = greenhub::timeout(length, || pipe.read(next, count, &world.faults));
        }
    }
}

fn limit(how: How) -> Option<Duration> {
    match how {
        How::WithoutEnd => None,
        How::For(length) => Some(length),
        How::NotAtAll => Some(Duration::ZERO),
    }
}

/// One writes and another reads, until one of them has gone: then the other learns of it.
fn short_lived(actor: &mut Actor) {
    if actor.is_crowded() {
        return;
    }
    if actor.chance(2) {
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        part(actor, near, far);
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let near = TcpStream::connect(address).expect("somebody listens");
        let (far, _) = listener.accept().expect("somebody has come");
        part(actor, near, far);
    }
}

fn part<S: Read + Write + Send + 'static>(actor: &mut Actor, mut near: S, mut far: S) {
    let (writes, reads) = (actor.below(40), 1 + actor.below(40));
    let by_us = actor.chance(2);
    let mut write = move |_: &mut Actor| {
        for _ in 0..writes {
            // Whoever was to read it may have gone.
            if near.write(&[7; 8192]).is_err() {
                break;
            }
        }
    };
    let mut read = move |actor: &mut Actor| {
        let mut buffer = [0; 8192];
        for _ in 0..reads {
            match far.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) if buffer[..length].iter().all(|byte| *byte == 7) => {}
                Ok(_) => actor.world.faults.tell("a socket has made bytes up"),
            }
        }
    };
    if by_us {
        actor.detach(read);
        write(actor);
    } else {
        actor.detach(write);
        read(actor);
    }
}
