//! The room: who is there, and telling them what is said.

use std::collections::HashMap;
use std::fmt;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use greenhub::channel::{Receiver, Sender, bounded};
use greenhub::net::TcpStream;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// Events that may wait for the room. Members who say more wait too.
const EVENTS: usize = 1024;

/// A member whose queue stays full for so long is expelled. The others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Frames as they go over the wire. A server's are not masked, so all members get the same bytes.
pub(crate) type Frames = Arc<[u8]>;

pub(crate) enum Event {
    /// Someone has come; `queue` leads to them.
    Enter {
        id: u64,
        queue: Sender<Frames>,
        stream: Arc<TcpStream>,
    },
    /// Someone says a line.
    Say { id: u64, line: String },
    /// Someone is about to go.
    Leave { id: u64 },
    /// The room closes: everyone is told to go.
    Close,
}

/// What has happened in the room.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) guests: u64,
    pub(crate) said: u64,
    pub(crate) told: u64,
    pub(crate) expelled: u64,
}

struct Member {
    queue: Sender<Frames>,
    stream: Arc<TcpStream>,
}

pub(crate) fn channel() -> (Sender<Event>, Receiver<Event>) {
    bounded(EVENTS)
}

/// Keeps the room until everybody who could tell it something has gone.
pub(crate) fn keep(events: &Receiver<Event>) -> Tally {
    let mut members: HashMap<u64, Member> = HashMap::new();
    let mut tally = Tally::default();
    let mut open = true;
    for event in events {
        match event {
            Event::Enter { id, queue, stream } => {
                tally.guests += 1;
                let _ = queue.try_send(text(&format!("welcome, guest {id}")));
                if !open {
                    let _ = queue.try_send(encode(Frame::close(None)));
                }
                members.insert(id, Member { queue, stream });
            }
            Event::Say { id, line } => {
                tally.said += 1;
                let frames = text(&format!("guest {id}: {line}"));
                tell(&mut members, &frames, &mut tally);
            }
            Event::Leave { id } => drop(members.remove(&id)),
            Event::Close => {
                open = false;
                let frames = encode(Frame::close(None));
                for member in members.values() {
                    let _ = member.queue.try_send(Arc::clone(&frames));
                }
            }
        }
    }
    tally
}

fn tell(members: &mut HashMap<u64, Member>, frames: &Frames, tally: &mut Tally) {
    members.retain(|_, member| {
        let sent = member.queue.send_timeout(Arc::clone(frames), PATIENCE);
        if sent.is_ok() {
            tally.told += 1;
        } else {
            tally.expelled += 1;
            // Its reader and its writer find out.
            let _ = member.stream.shutdown(Shutdown::Both);
        }
        sent.is_ok()
    });
}

pub(crate) fn text(line: &str) -> Frames {
    let payload = line.as_bytes().to_vec();
    encode(Frame::message(payload, OpCode::Data(Data::Text), true))
}

pub(crate) fn encode(frame: Frame) -> Frames {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("a vector takes all");
    bytes.into()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} guests came, {} lines were said, {} told; {} guests were expelled",
            self.guests, self.said, self.told, self.expelled
        )
    }
}
