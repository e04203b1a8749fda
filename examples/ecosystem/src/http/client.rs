//! A client that keeps its connection: one request and its answer, then the next.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use greenhub::net::TcpStream;
use httparse::{EMPTY_HEADER, Response, Status};

use super::body::{Body, Broken};
use super::buffer::Buffer;
use super::head::{Framing, number};

/// A head of an answer above this size is refused.
const MOST_HEAD: usize = 16 * 1024;

/// A connection to a server.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    stream: S,
    host: String,
    input: Buffer,
    output: Vec<u8>,
    /// The last answer was complete, and the server goes on.
    usable: bool,
}

/// What a request carries.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// A body, and its length before it.
    Whole(&'a [u8]),
    /// A body in chunks of this size.
    Chunks(&'a [u8], usize),
}

/// The answer to a request, but for its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The length of the body.
    pub length: u64,
}

impl Client<TcpStream> {
    /// Connects. No wait, here or later, takes longer than `timeout`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn connect(address: SocketAddr, timeout: Duration) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Client::over(stream, address.to_string()))
    }
}

impl<S: Read + Write> Client<S> {
    /// Talks over any `stream`, to the server that is called `host`.
    pub fn over(stream: S, host: String) -> Client<S> {
        Client {
            stream,
            host,
            input: Buffer::new(),
            output: Vec::new(),
            usable: true,
        }
    }

    /// The stream. What has been read of it and not used is lost.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Whether another request can be made.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Makes a request, and hands the pieces of the answer's body to `on_piece`.
    ///
    /// # Errors
    ///
    /// The system's, `UnexpectedEof` if the answer ends early, `InvalidData` if it is none, and those of `on_piece`.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        payload: Payload<'_>,
        on_piece: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Answer> {
        self.usable = false;
        self.send(method, path, payload)?;
        self.receive(method == "HEAD", on_piece)
    }

    /// Sends a request without waiting for its answer: several may be on the way.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn send(&mut self, method: &str, path: &str, payload: Payload<'_>) -> io::Result<()> {
        self.output.clear();
        let output = &mut self.output;
        write!(
            output,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n",
            self.host
        )?;
        match payload {
            Payload::None => output.extend_from_slice(b"\r\n"),
            Payload::Whole(body) => {
                write!(output, "Content-Length: {}\r\n\r\n", body.len())?;
                output.extend_from_slice(body);
            }
            Payload::Chunks(body, size) => {
                write!(output, "Transfer-Encoding: chunked\r\n\r\n")?;
                for chunk in body.chunks(size) {
                    write!(output, "{:x}\r\n", chunk.len())?;
                    output.extend_from_slice(chunk);
                    output.extend_from_slice(b"\r\n");
                }
                output.extend_from_slice(b"0\r\n\r\n");
            }
        }
        self.stream.write_all(output)?;
        self.stream.flush()
    }

    /// Receives the answer to the oldest request that has none yet; `to_head`: its method was `HEAD`.
    ///
    /// # Errors
    ///
    /// As those of [`request`](Client::request).
    pub fn receive(
        &mut self,
        to_head: bool,
        mut on_piece: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Answer> {
        let mut head = self.head()?;
        while (100..200).contains(&head.status) {
            head = self.head()?;
        }
        let framing = match head.status {
            204 | 304 => Framing::Length(0),
            _ if to_head => Framing::Length(0),
            _ => head.framing,
        };
        let mut body = Body::new(framing);
        let mut piece = [0; 4096];
        while !body.is_done() {
            let count = body
                .read(&mut self.input, &mut self.stream, &mut piece)
                .map_err(|broken| match broken {
                    Broken::Short => short(),
                    Broken::Malformed => invalid("the chunks are malformed"),
                    Broken::Io(error) => error,
                })?;
            on_piece(&piece[..count])?;
        }
        self.usable = !head.close && framing != Framing::UntilClose;
        Ok(Answer {
            status: head.status,
            length: body.count(),
        })
    }

    fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(self.input.unread())? {
                self.input.consume(length);
                return Ok(head);
            }
            if self.input.unread().len() >= MOST_HEAD {
                return Err(invalid("the head of the answer is too large"));
            }
            if self.input.fill(&mut self.stream)? == 0 {
                return Err(short());
            }
        }
    }
}

struct Head {
    status: u16,
    framing: Framing,
    close: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
        let mut fields = [EMPTY_HEADER; 64];
        let mut response = Response::new(&mut fields);
        let length = match response.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(invalid("this is no HTTP answer")),
        };
        let mut head = Head {
            status: response.code.unwrap_or_default(),
            framing: Framing::UntilClose,
            close: response.version == Some(0),
        };
        for field in response.headers {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("content-length") {
                let length = number(value).map_err(|refusal| invalid(refusal.why))?;
                head.framing = Framing::Length(length);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                head.framing = Framing::Chunked;
            } else if field.name.eq_ignore_ascii_case("connection") {
                head.close |= value.eq_ignore_ascii_case(b"close");
                head.close &= !value.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(Some((head, length)))
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ends early")
}
