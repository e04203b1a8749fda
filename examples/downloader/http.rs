//! A small HTTP/1.1 client: one request a connection.
//!
//! Nothing here knows of greenlets but the two names imported from `greenhub`. Every wait parks the greenlet alone, while
//! its hub serves the others; with `std`'s names in their place the same code would run on threads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use greenhub::net::TcpStream;
use greenhub::spawn_compute;

use crate::url::Url;

/// A header above this size is refused.
const MOST_HEADER: u64 = 16 * 1024;

/// A body above this size is refused.
const MOST_BODY: u64 = 1 << 30;

/// How much of a body is read between two reports of progress.
const PIECE: u64 = 64 * 1024;

pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// How long the server took to answer: what it says itself, or else the time to its first byte.
    pub(crate) latency: Duration,
    /// The digest that the photo server vouches for.
    pub(crate) digest: Option<String>,
}

/// Fetches `url`. `on_bytes` hears of the body's pieces as they arrive; no wait takes longer than `timeout`.
pub(crate) fn get(url: &Url, timeout: Duration, on_bytes: &dyn Fn(u64)) -> Result<Answer, String> {
    let mut stream = connect(url, timeout)?;
    let asked = Instant::now();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: greenhub-downloader\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path, url.authority
    );
    let sent = stream.write_all(request.as_bytes());
    sent.map_err(|error| format!("cannot send the request: {error}"))?;

    let mut reader = BufReader::with_capacity(16 * 1024, stream);
    match reader.fill_buf() {
        Ok([]) => return Err("the server closes the connection without an answer".into()),
        Ok(_) => {}
        Err(error) if is_timeout(&error) => return Err(format!("no answer within {timeout:?}")),
        Err(error) => return Err(format!("cannot read the answer: {error}")),
    }
    let first_byte = asked.elapsed();

    let mut header = read_header(&mut reader)?;
    while (100..200).contains(&header.status) {
        header = read_header(&mut reader)?;
    }
    if !(200..300).contains(&header.status) {
        let Header { status, reason, .. } = header;
        return Err(format!("the server answers {status} {reason}")
            .trim_end()
            .to_string());
    }

    let mut body = Body {
        reader,
        bytes: Vec::new(),
        on_bytes,
    };
    body.read(&header.framing)?;
    Ok(Answer {
        body: body.bytes,
        latency: header.latency.unwrap_or(first_byte),
        digest: header.digest,
    })
}

fn connect(url: &Url, timeout: Duration) -> Result<TcpStream, String> {
    let addresses = resolve(url).map_err(|error| format!("cannot find `{}`: {error}", url.host))?;
    let mut failure = "it has no address".to_string();
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                let set = stream
                    .set_read_timeout(Some(timeout))
                    .and_then(|()| stream.set_write_timeout(Some(timeout)));
                set.map_err(|error| format!("cannot set timeouts: {error}"))?;
                return Ok(stream);
            }
            Err(error) => failure = error.to_string(),
        }
    }
    Err(format!("cannot connect: {failure}"))
}

fn resolve(url: &Url) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = url.host.parse::<IpAddr>() {
        return Ok(vec![(address, url.port).into()]);
    }
    // The system's resolver blocks its thread. On the compute lane that holds up nobody who waits for a socket.
    let name = (url.host.clone(), url.port);
    let found = spawn_compute(move || Ok((name.0.as_str(), name.1).to_socket_addrs()?.collect()));
    found
        .join()
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

struct Header {
    status: u16,
    reason: String,
    framing: Framing,
    latency: Option<Duration>,
    digest: Option<String>,
}

/// What tells where the body ends.
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

fn read_header(reader: &mut impl BufRead) -> Result<Header, String> {
    let mut reader = reader.take(MOST_HEADER);
    let first = read_line(&mut reader)?;
    let (status, reason) = status_line(&first).ok_or("this is no HTTP answer")?;
    let mut header = Header {
        status,
        reason: reason.to_string(),
        framing: Framing::Close,
        latency: None,
        digest: None,
    };
    loop {
        let line = read_line(&mut reader)?;
        if line.is_empty() {
            return Ok(header);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("odd header line `{line}`"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                header.framing = Framing::Chunked
            }
            "transfer-encoding" => {
                return Err(format!("transfer encoding `{value}` is not supported"));
            }
            "content-length" if !matches!(header.framing, Framing::Chunked) => {
                let length = value
                    .parse()
                    .map_err(|_| format!("odd Content-Length `{value}`"))?;
                header.framing = Framing::Length(length);
            }
            "latency-ms" => header.latency = value.parse().ok().map(Duration::from_millis),
            "photo-sha256" => header.digest = Some(value.to_string()),
            _ => {}
        }
    }
}

/// `HTTP/1.1 404 Not Found` is `(404, "Not Found")`.
fn status_line(line: &str) -> Option<(u16, &str)> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let (_minor, rest) = rest.split_once(' ')?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((status.parse().ok()?, reason))
}

/// One line of the header, without its end.
fn read_line<R: BufRead>(reader: &mut io::Take<R>) -> Result<String, String> {
    let mut line = Vec::new();
    reader
        .read_until(b'\n', &mut line)
        .map_err(|error| format!("cannot read the header: {error}"))?;
    match line.pop() {
        Some(b'\n') => {}
        _ if reader.limit() == 0 => {
            return Err(format!("the header is longer than {MOST_HEADER} bytes"));
        }
        _ => return Err("the header ends early".into()),
    }
    Ok(String::from_utf8_lossy(&line)
        .trim_end_matches('\r')
        .to_string())
}

struct Body<'a, R> {
    reader: R,
    bytes: Vec<u8>,
    on_bytes: &'a dyn Fn(u64),
}

impl<R: BufRead> Body<'_, R> {
    fn read(&mut self, framing: &Framing) -> Result<(), String> {
        match *framing {
            Framing::Length(length) => self.exactly(length),
            Framing::Chunked => self.chunks(),
            Framing::Close => {
                while self.piece(PIECE)? > 0 {}
                Ok(())
            }
        }
    }

    fn chunks(&mut self) -> Result<(), String> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                u64::from_str_radix(size, 16).map_err(|_| format!("odd chunk size `{size}`"))?;
            if size == 0 {
                while !self.line()?.is_empty() {} // trailers
                return Ok(());
            }
            self.exactly(size)?;
            if !self.line()?.is_empty() {
                return Err("a chunk is longer than it said".into());
            }
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let short = self.short();
        read_line(&mut self.reader.by_ref().take(MOST_HEADER)).map_err(|_| short)
    }

    fn exactly(&mut self, length: u64) -> Result<(), String> {
        if length > MOST_BODY {
            return Err(too_long());
        }
        let mut left = length;
        while left > 0 {
            match self.piece(left.min(PIECE))? {
                0 => return Err(format!("{}, {left} short", self.short())),
                read => left -= read,
            }
        }
        Ok(())
    }

    /// Reads up to `length` bytes; 0 at the end.
    fn piece(&mut self, length: u64) -> Result<u64, String> {
        let read = self
            .reader
            .by_ref()
            .take(length)
            .read_to_end(&mut self.bytes);
        let read = read.map_err(|error| match is_timeout(&error) {
            true => format!("the server falls silent after {} bytes", self.bytes.len()),
            false => format!("{}: {error}", self.short()),
        })?;
        if self.bytes.len() as u64 > MOST_BODY {
            return Err(too_long());
        }
        (self.on_bytes)(read as u64);
        Ok(read as u64)
    }

    fn short(&self) -> String {
        format!("the body ends after {} bytes", self.bytes.len())
    }
}

fn too_long() -> String {
    format!("the body is longer than {MOST_BODY} bytes")
}

/// A timeout shows as either kind, as with `std::net`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
