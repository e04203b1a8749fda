//! A request's head, and what it says about the body.
//!
//! Where two parties could read one request in two ways (both a length and chunks, two lengths, a space before a colon)
//! it is refused: that is how requests are smuggled past proxies.

use httparse::{EMPTY_HEADER, Error, Header, Request, Status};

use super::status::Refusal;

/// More header fields are refused.
const MOST_FIELDS: usize = 64;

/// The methods that the service here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: `GET` without the body of the answer.
    Head,
    /// `POST`
    Post,
    /// Anything else.
    Other,
}

/// What tells where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has this many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It ends with the connection, as only answers may.
    UntilClose,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is asked for.
    pub method: Method,
    /// The path, with the query if there is one.
    pub path: String,
    /// The minor version: 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor: u8,
    /// Where the body ends.
    pub framing: Framing,
    /// The client may send more requests on this connection.
    pub keep_alive: bool,
    /// The client sends the body only when it is told to, or tired of waiting.
    pub expects_continue: bool,
}

impl Head {
    /// The head at the beginning of `bytes` and its length, or `None` if more has to come.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut request = Request::new(&mut fields);
        let length = match request.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(Error::TooManyHeaders) => {
                return Err(Refusal::new(431, "too many header fields"));
            }
            Err(Error::Version) => return Err(Refusal::new(505, "this is an HTTP/1 server")),
            Err(_) => return Err(Refusal::new(400, "this is no HTTP request")),
        };
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refusal::new(400, "this is no HTTP request"));
        };
        let fields = Fields::read(request.headers)?;
        if minor == 1 && fields.hosts != 1 {
            return Err(Refusal::new(400, "one Host is needed"));
        }
        let head = Head {
            method: match method {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "POST" => Method::Post,
                _ => Method::Other,
            },
            path: path(target)?.to_string(),
            minor,
            framing: fields.framing(minor)?,
            keep_alive: !fields.close && (minor == 1 || fields.keep_alive),
            expects_continue: minor == 1 && fields.expects_continue,
        };
        Ok(Some((head, length)))
    }

    /// The path's part before the query, and the query.
    #[must_use]
    pub fn split_path(&self) -> (&str, &str) {
        self.path.split_once('?').unwrap_or((&self.path, ""))
    }
}

/// What the fields say that matter to the server itself.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Fields, Refusal> {
        let mut fields = Fields::default();
        for Header { name, value } in headers {
            let value = value.trim_ascii();
            if name.eq_ignore_ascii_case("host") {
                fields.hosts += 1;
            } else if name.eq_ignore_ascii_case("content-length") {
                if fields.length.replace(number(value)?).is_some() {
                    return Err(Refusal::new(400, "more than one Content-Length"));
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::new(
                        501,
                        "chunked is the only transfer coding known",
                    ));
                }
                if std::mem::replace(&mut fields.chunked, true) {
                    return Err(Refusal::new(400, "chunked twice"));
                }
            } else if name.eq_ignore_ascii_case("connection") {
                for token in value.split(|&byte| byte == b',') {
                    let token = token.trim_ascii();
                    fields.close |= token.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if name.eq_ignore_ascii_case("expect") {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::new(417, "this expectation cannot be met"));
                }
                fields.expects_continue = true;
            }
        }
        Ok(fields)
    }

    fn framing(&self, minor: u8) -> Result<Framing, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::new(400, "both a length and chunks")),
            (true, None) if minor == 0 => Err(Refusal::new(400, "chunks in HTTP/1.0")),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Digits alone: neither a sign nor a list.
pub(super) fn number(value: &[u8]) -> Result<u64, Refusal> {
    let odd = Refusal::new(400, "an odd Content-Length");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(odd);
    }
    let digits = std::str::from_utf8(value).map_err(|_| odd)?;
    digits.parse().map_err(|_| odd)
}

/// The path of `/path`, `http://host/path` and `*`.
fn path(target: &str) -> Result<&str, Refusal> {
    if target.starts_with('/') || target == "*" {
        return Ok(target);
    }
    let rest = target
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("http://"))
        .map(|scheme| &target[scheme.len()..])
        .ok_or(Refusal::new(400, "an odd request target"))?;
    Ok(rest.find('/').map_or("/", |slash| &rest[slash..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Option<(Head, usize)>, Refusal> {
        Head::parse(head.as_bytes())
    }

    fn status(head: &str) -> u16 {
        parse(head).expect_err(head).status
    }

    #[test]
    fn a_head_is_complete_with_its_empty_line_and_not_before() {
        let text = "POST http://host:80/a?b=c HTTP/1.1\r\nHost: x\r\nCONTENT-length:  12 \r\nExpect: 100-Continue\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]), Ok(None), "after {end} bytes");
        }
        let (head, length) = parse(&format!("{text}body")).unwrap().unwrap();
        assert_eq!(length, text.len());
        assert_eq!(
            head,
            Head {
                method: Method::Post,
                path: "/a?b=c".to_string(),
                minor: 1,
                framing: Framing::Length(12),
                keep_alive: true,
                expects_continue: true,
            }
        );
        assert_eq!(head.split_path(), ("/a", "b=c"));
    }

    #[test]
    fn connections_are_kept_as_the_version_and_the_client_say() {
        let kept = |head: &str| parse(head).unwrap().unwrap().0.keep_alive;
        assert!(kept("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!kept(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n"
        ));
        assert!(!kept("GET / HTTP/1.0\r\n\r\n"));
        assert!(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn ambiguous_and_malformed_heads_are_refused() {
        let fields =
            |fields: &str| status(&format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"));
        assert_eq!(
            fields("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            400
        );
        assert_eq!(fields("Content-Length: 1\r\nContent-Length: 1"), 400);
        assert_eq!(fields("Content-Length: +1"), 400);
        assert_eq!(fields("Content-Length: 1, 1"), 400);
        assert_eq!(fields("Content-Length:"), 400);
        assert_eq!(fields("Content-Length: 99999999999999999999"), 400);
        assert_eq!(
            fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            400
        );
        assert_eq!(fields("Transfer-Encoding: gzip, chunked"), 501);
        assert_eq!(fields("Expect: a miracle"), 417);
        assert_eq!(fields("Host: y"), 400);
        assert_eq!(fields("Space : x"), 400);
        assert_eq!(fields("Folded: x\r\n  y"), 400);
        assert_eq!(fields("No colon"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(
            status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400
        );
        assert_eq!(status("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
        assert_eq!(status("GET path HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
        assert_eq!(status("\u{16}\u{3}\u{1} a TLS hello"), 400);
        let many = "X: y\r\n".repeat(MOST_FIELDS);
        assert_eq!(fields(&many), 431);
    }
}
