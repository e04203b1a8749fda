//! A connection: a greenlet that reads, and one that writes what is queued.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use greenhub::channel::{Receiver, Sender, bounded};
use greenhub::net::TcpStream;
use greenhub::{JoinHandle, spawn, timeout};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::Frame;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::room::{Event, Frames, encode};

/// What may wait for a member to take it.
const QUEUE: usize = 1024;

/// The writer sends so much at once.
const BATCH: usize = 16 * 1024;

/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who is silent for so long is asked by a ping whether they are there, and given up if nothing comes for as long again.
const SILENCE: Duration = Duration::from_secs(30);

const MOST_MESSAGE: usize = 64 * 1024;

/// The stream as the reading greenlet sees it: what it writes is queued. `tungstenite` writes whole frames if it is let,
/// so they do not mix with the room's.
struct Half {
    stream: Arc<TcpStream>,
    queue: Sender<Frames>,
}

impl Read for Half {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(buffer)
    }
}

impl Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.queue.send(bytes.into()) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn config() -> WebSocketConfig {
    // As it stands, each connection would have a read buffer of 128 KiB.
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .max_message_size(Some(MOST_MESSAGE))
        .max_frame_size(Some(MOST_MESSAGE))
}

/// Serves a guest until one side closes. What goes wrong is the guest's business, and ends the connection.
pub(crate) fn serve(stream: TcpStream, id: u64, events: &Sender<Event>) {
    let stream = Arc::new(stream);
    let (queue, queued) = bounded(QUEUE);
    let writer: JoinHandle<()> = spawn({
        let stream = Arc::clone(&stream);
        move || write(&stream, &queued)
    });
    let half = Half {
        stream: Arc::clone(&stream),
        queue: queue.clone(),
    };
    if let Ok(socket) = greet(half) {
        let entering = Event::Enter {
            id,
            queue: queue.clone(),
            stream: Arc::clone(&stream),
        };
        if events.send(entering).is_ok() {
            let _ = listen(socket, id, &queue, events);
            let _ = events.send(Event::Leave { id });
        }
    }
    // The writer ends when nobody can queue anything any more, and closes the connection behind the last frame.
    drop(queue);
    let _ = writer.join();
}

fn greet(half: Half) -> Result<WebSocket<Half>, Error> {
    half.stream.set_read_timeout(Some(SILENCE))?;
    half.stream.set_write_timeout(Some(SILENCE))?;
    let accepted = timeout(HANDSHAKE, || {
        tungstenite::accept_with_config(half, Some(config())).map_err(|error| match error {
            HandshakeError::Failure(error) => error,
            HandshakeError::Interrupted(_) => timed_out(),
        })
    });
    accepted.unwrap_or_else(|_elapsed| Err(timed_out()))
}

/// Tells the room what the guest says, until the connection ends.
fn listen(
    mut socket: WebSocket<Half>,
    id: u64,
    queue: &Sender<Frames>,
    events: &Sender<Event>,
) -> Result<(), Error> {
    let mut is_asked = false;
    loop {
        match socket.read() {
            Ok(message) => {
                is_asked = false;
                if let Message::Text(line) = message {
                    let line = line.to_string();
                    if events.send(Event::Say { id, line }).is_err() {
                        return Ok(());
                    }
                }
                // `tungstenite` has queued the answers to pings and to a close; this hands them over.
                match socket.flush() {
                    Ok(()) | Err(Error::ConnectionClosed) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
            Err(Error::Io(error)) if is_timeout(&error) && !is_asked => {
                is_asked = true;
                let ping = encode(Frame::ping("are you there?"));
                if queue.send(ping).is_err() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes what is queued, as much at once as there is.
fn write(mut stream: &TcpStream, queued: &Receiver<Frames>) {
    let mut batch = Vec::new();
    while let Ok(frames) = queued.recv() {
        batch.clear();
        batch.extend_from_slice(&frames);
        while batch.len() < BATCH {
            match queued.try_recv() {
                Ok(frames) => batch.extend_from_slice(&frames),
                Err(_) => break,
            }
        }
        if stream.write_all(&batch).is_err() {
            // The reader finds out, and everyone who has something for this queue.
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

fn timed_out() -> Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
