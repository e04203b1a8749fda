//! A request and its answer, as handlers see them.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use httpdate::HttpDate;

use super::attendance::Attendance;
use super::body::{Body, Broken};
use super::buffer::Buffer;
use super::head::{Framing, Head, Method};
use super::status::{Failure, Refusal, reason};

/// What is to be sent goes out when so much has gathered, or before anything waits.
const FULL: usize = 16 * 1024;

/// So much of a body that nobody has read is read over, to keep the connection.
const MOST_SKIPPED: u64 = 64 * 1024;

/// The field that announces the end of the connection.
pub(super) const CLOSE: &str = "Connection: close\r\n";

/// A connection with what has come and is not used yet, and what is to go and is not sent yet.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    pub(super) input: Buffer,
    output: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub(super) fn new(stream: S) -> Wire<S> {
        Wire {
            stream,
            input: Buffer::new(),
            output: Vec::new(),
        }
    }

    /// Waits for more input. What is to be sent is sent first: the other side may be waiting for it.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        self.flush()?;
        self.input.fill(&mut self.stream)
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.len() + bytes.len() >= FULL {
            self.flush()?;
            if bytes.len() >= FULL {
                return self.stream.write_all(bytes);
            }
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// The head of an answer, with `more` fields.
    pub(super) fn put_head(
        &mut self,
        status: u16,
        kind: &str,
        framing: Framing,
        more: [&'static str; 2],
    ) -> io::Result<()> {
        let date = HttpDate::from(SystemTime::now());
        let reason = reason(status);
        write!(
            self.output,
            "HTTP/1.1 {status} {reason}\r\nDate: {date}\r\nContent-Type: {kind}\r\n"
        )?;
        match framing {
            Framing::Length(length) => write!(self.output, "Content-Length: {length}\r\n")?,
            Framing::Chunked => self.output.write_all(b"Transfer-Encoding: chunked\r\n")?,
            Framing::UntilClose => {}
        }
        for field in more {
            self.output.write_all(field.as_bytes())?;
        }
        self.output.write_all(b"\r\n")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output)?;
            self.output.clear();
        }
        self.stream.flush()
    }
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Chunked,
    UntilClose,
    /// To a `HEAD`: the same head, and no body.
    HeadOnly,
    Done,
}

/// What comes after this exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next one.
    Again,
    /// The end of the connection: the client sends nothing more.
    Close,
    /// The end of the connection, and the client may be sending still.
    Linger,
}

/// A request, with the means to read its body and to answer it.
///
/// A body that nobody reads is skipped. The answer is either whole ([`respond`](Exchange::respond)) or streamed
/// ([`start`](Exchange::start), then [`write`](Exchange::write)).
#[derive(Debug)]
pub struct Exchange<'w, S> {
    wire: &'w mut Wire<S>,
    head: &'w Head,
    body: Body,
    most_body: u64,
    attendance: &'w dyn Attendance,
    state: State,
    /// The client has been told to send the body, or needs not be.
    continued: bool,
    /// There may be another exchange on this connection.
    persists: bool,
    /// The body cannot be read to its end.
    is_broken: bool,
}

impl<'w, S: Read + Write> Exchange<'w, S> {
    pub(super) fn new(
        wire: &'w mut Wire<S>,
        head: &'w Head,
        most_body: u64,
        attendance: &'w dyn Attendance,
    ) -> Exchange<'w, S> {
        Exchange {
            wire,
            head,
            body: Body::new(head.framing),
            most_body,
            state: State::Open,
            continued: !head.expects_continue,
            persists: head.keep_alive,
            attendance,
            is_broken: false,
        }
    }

    /// The request's head.
    #[must_use]
    pub fn head(&self) -> &'w Head {
        self.head
    }

    /// Reads a part of the request's body, 0 bytes at its end. What is to be sent goes out before this waits.
    ///
    /// # Errors
    ///
    /// A refusal if the body is malformed, too large, or does not come; the stream's errors.
    pub fn read(&mut self, target: &mut [u8]) -> Result<usize, Failure> {
        if target.is_empty() || self.body.is_done() {
            return Ok(0);
        }
        let read = self.read_part(target);
        self.is_broken |= read.is_err();
        read
    }

    fn read_part(&mut self, target: &mut [u8]) -> Result<usize, Failure> {
        if self.wire.input.is_empty() {
            self.invite()?;
            self.wire.flush()?;
        }
        let wire = &mut *self.wire;
        let count = self
            .body
            .read(&mut wire.input, &mut wire.stream, target)
            .map_err(|broken| match broken {
                Broken::Short => Failure::Io(io::ErrorKind::UnexpectedEof.into()),
                Broken::Malformed => Refusal::new(400, "the chunks are malformed").into(),
                Broken::Io(error) if is_timeout(&error) => {
                    Refusal::new(408, "the body does not come").into()
                }
                Broken::Io(error) => Failure::Io(error),
            })?;
        if self.body.count() > self.most_body {
            return Err(Refusal::new(413, "the body is too large").into());
        }
        Ok(count)
    }

    /// Tells a client that asks first to send its body, unless its answer has begun.
    fn invite(&mut self) -> io::Result<()> {
        if !self.continued && self.state == State::Open {
            self.wire.put(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            self.continued = true;
        }
        Ok(())
    }

    /// Answers all at once. It is sent together with the answers to the requests that have come with this one.
    ///
    /// # Errors
    ///
    /// The stream's.
    pub fn respond(&mut self, status: u16, kind: &str, body: &[u8]) -> io::Result<()> {
        self.respond_with(status, kind, body, "")
    }

    fn respond_with(
        &mut self,
        status: u16,
        kind: &str,
        body: &[u8],
        more: &'static str,
    ) -> io::Result<()> {
        // What is left of a request is known now, and whether it will be skipped.
        if let Framing::Length(length) = self.head.framing {
            self.persists &= length - self.body.count() <= MOST_SKIPPED;
        }
        self.put_head(status, kind, Framing::Length(body.len() as u64), more)?;
        self.state = State::Done;
        match self.head.method {
            Method::Head => Ok(()),
            _ => self.wire.put(body),
        }
    }

    /// Begins an answer whose length is not known yet.
    ///
    /// # Errors
    ///
    /// The stream's.
    pub fn start(&mut self, status: u16, kind: &str) -> io::Result<()> {
        let framing = match self.head.minor {
            0 => Framing::UntilClose,
            _ => Framing::Chunked,
        };
        self.persists &= framing == Framing::Chunked;
        self.put_head(status, kind, framing, "")?;
        self.state = match (self.head.method, framing) {
            (Method::Head, _) => State::HeadOnly,
            (_, Framing::Chunked) => State::Chunked,
            _ => State::UntilClose,
        };
        Ok(())
    }

    /// Continues the answer that [`start`](Exchange::start) has begun.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Panics
    ///
    /// If no answer has begun.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.state {
            // An empty chunk would be the last.
            State::Chunked if !bytes.is_empty() => {
                let mut size = [0; 18];
                let mut rest = &mut size[..];
                write!(rest, "{:x}\r\n", bytes.len())?;
                let left = rest.len();
                self.wire.put(&size[..size.len() - left])?;
                self.wire.put(bytes)?;
                self.wire.put(b"\r\n")
            }
            State::UntilClose => self.wire.put(bytes),
            State::Chunked | State::HeadOnly => Ok(()),
            State::Open | State::Done => panic!("no answer has begun"),
        }
    }

    /// Sends what has gathered. To be called before a wait; the reads here do so themselves.
    ///
    /// # Errors
    ///
    /// The stream's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }

    /// Ends the answer, and skips the rest of the request.
    pub(super) fn finish(mut self) -> Result<Next, Failure> {
        match self.state {
            State::Open => self.respond(500, "text/plain", b"no answer\n")?,
            State::Chunked => self.wire.put(b"0\r\n\r\n")?,
            State::UntilClose | State::HeadOnly | State::Done => {}
        }
        self.state = State::Done;
        if !self.persists {
            self.wire.flush()?;
            return Ok(if self.body.is_done() {
                Next::Close
            } else {
                Next::Linger
            });
        }
        let most = self.body.count() + MOST_SKIPPED;
        let mut skipped = [0; 4096];
        while !self.body.is_done() {
            if self.body.count() > most {
                return Ok(Next::Linger);
            }
            self.read(&mut skipped)?;
        }
        Ok(Next::Again)
    }

    /// The request is at fault. The client is told so, if it is not too late. The connection ends unless all is clear
    /// about where the next request begins.
    pub(super) fn refuse(mut self, refusal: Refusal) -> Result<Next, Failure> {
        if self.state != State::Open {
            // The answer ends without its end, so that the client does not take it for whole.
            self.wire.flush()?;
            return Ok(Next::Linger);
        }
        self.persists &= !self.is_broken;
        let allow = match refusal.status {
            405 => "Allow: GET, HEAD, POST\r\n",
            _ => "",
        };
        let text = format!("{}\n", refusal.why);
        self.respond_with(refusal.status, "text/plain", text.as_bytes(), allow)?;
        self.finish()
    }

    fn put_head(
        &mut self,
        status: u16,
        kind: &str,
        framing: Framing,
        more: &'static str,
    ) -> io::Result<()> {
        assert_eq!(self.state, State::Open, "a request has one answer");
        // Whether the client will ever send a body that it has not been asked for, nobody knows.
        self.persists &= self.continued || self.body.is_done();
        self.persists &= !self.attendance.is_stopping();
        let connection = match (self.persists, self.head.minor) {
            (false, _) => CLOSE,
            (true, 0) => "Connection: keep-alive\r\n",
            (true, _) => "",
        };
        self.wire
            .put_head(status, kind, framing, [more, connection])
    }
}

/// A timeout shows as either kind, as with `std::net`.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
