//! The requests of one connection, one after another.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::attendance::Attendance;
use super::exchange::{CLOSE, Exchange, Next, Wire, is_timeout};
use super::head::{Framing, Head};
use super::status::{Failure, Refusal};

/// What a client may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes of a head, at most.
    pub head: usize,
    /// The bytes of a body, at most.
    pub body: u64,
    /// How long a head may take from its first bytes on, however steadily it drips.
    pub head_time: Duration,
    /// How long the client may do nothing: neither send a part of a body, nor take a part of an answer, nor ask again.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 16 * 1024,
            body: 64 * 1024 * 1024,
            head_time: Duration::from_secs(10),
            stall: Duration::from_secs(60),
        }
    }
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is on the way: it can be dropped.
    Clean,
    /// The client may be sending still. Dropping the connection now would reset it, and the client might lose the answer.
    Linger,
}

/// Serves the requests that come on `stream` until its end. The stream's own timeouts are [`Limits::stall`].
///
/// # Errors
///
/// The stream's. Requests at fault are answered, and are no errors.
pub fn serve<S, A, H>(stream: S, limits: &Limits, attendance: &A, handler: &H) -> io::Result<Ending>
where
    S: Read + Write,
    A: Attendance,
    H: Fn(&mut Exchange<'_, S>) -> Result<(), Failure>,
{
    let mut wire = Wire::new(stream);
    loop {
        let head = match next_head(&mut wire, limits, attendance) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Ending::Clean),
            Err(Failure::Refused(refusal)) => return refuse(&mut wire, refusal),
            Err(Failure::Io(error)) => return Err(error),
        };
        let mut exchange = Exchange::new(&mut wire, &head, limits.body, attendance);
        let done = match head.framing {
            Framing::Length(length) if length > limits.body => {
                Err(Refusal::new(413, "the body is too large").into())
            }
            _ => handler(&mut exchange),
        };
        let next = match done {
            Ok(()) => exchange.finish(),
            Err(Failure::Refused(refusal)) => exchange.refuse(refusal),
            Err(error) => Err(error),
        };
        match next {
            Ok(Next::Again) => {}
            Ok(Next::Close) => return Ok(Ending::Clean),
            // What cannot be skipped is found out when the answer is out.
            Ok(Next::Linger) | Err(Failure::Refused(_)) => {
                wire.flush()?;
                return Ok(Ending::Linger);
            }
            Err(Failure::Io(error)) => return Err(error),
        }
    }
}

/// The next request's head; `None` if there is none.
fn next_head<S: Read + Write>(
    wire: &mut Wire<S>,
    limits: &Limits,
    attendance: &impl Attendance,
) -> Result<Option<Head>, Failure> {
    if wire.input.is_empty() {
        wire.flush()?;
        match attendance.idle(&mut || wire.fill()) {
            None | Some(Ok(0)) => return Ok(None),
            Some(Ok(_)) => {}
            Some(Err(error)) if is_timeout(&error) => return Ok(None),
            Some(Err(error)) => return Err(error.into()),
        }
    }
    // Most heads come at once, and arm no timer.
    if let Some(head) = take_head(wire, limits)? {
        return Ok(Some(head));
    }
    // Nothing is left to be sent that the timeout could cut in two.
    wire.flush()?;
    let rest = greenhub::timeout(limits.head_time, || rest_of_head(wire, limits));
    rest.unwrap_or_else(|_elapsed| Err(Refusal::new(408, "the head does not come").into()))
        .map(Some)
}

/// Waits for the rest of a head.
fn rest_of_head<S: Read + Write>(wire: &mut Wire<S>, limits: &Limits) -> Result<Head, Failure> {
    loop {
        let before = wire.input.unread();
        if before.len() >= limits.head {
            let is_first_line = !before.contains(&b'\n');
            let status = if is_first_line { 414 } else { 431 };
            return Err(Refusal::new(status, "the head is too large").into());
        }
        let before = before.len();
        match wire.fill() {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                return Err(Refusal::new(408, "the head does not come").into());
            }
            Err(error) => return Err(error.into()),
        }
        // Nothing can be complete, or newly wrong in its structure, without the end of a line.
        if wire.input.unread()[before..].contains(&b'\n') {
            if let Some(head) = take_head(wire, limits)? {
                return Ok(head);
            }
        }
    }
}

fn take_head<S: Read + Write>(
    wire: &mut Wire<S>,
    limits: &Limits,
) -> Result<Option<Head>, Refusal> {
    let Some((head, length)) = Head::parse(wire.input.unread())? else {
        return Ok(None);
    };
    if length > limits.head {
        return Err(Refusal::new(431, "the head is too large"));
    }
    wire.input.consume(length);
    Ok(Some(head))
}

/// Answers what is no request, behind the answers to those before it.
fn refuse<S: Read + Write>(wire: &mut Wire<S>, refusal: Refusal) -> io::Result<Ending> {
    let text = format!("{}\n", refusal.why);
    let framing = Framing::Length(text.len() as u64);
    wire.put_head(refusal.status, "text/plain", framing, [CLOSE, ""])?;
    wire.put(text.as_bytes())?;
    wire.flush()?;
    Ok(Ending::Linger)
}
