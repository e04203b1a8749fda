//! Status codes, and what ends a request early.

use std::fmt;
use std::io;

/// A request that the server does not serve: a status and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// What is wrong, for the one who reads the answer.
    pub why: &'static str,
}

impl Refusal {
    /// Answers `status`, and says why.
    #[must_use]
    pub const fn new(status: u16, why: &'static str) -> Refusal {
        Refusal { status, why }
    }
}

/// Why a request could not be served.
#[derive(Debug)]
pub enum Failure {
    /// It is at fault, and the client is told so if no answer has begun.
    Refused(Refusal),
    /// The connection is.
    Io(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(Refusal { status, why }) => write!(f, "{status}: {why}"),
            Failure::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

/// The words that go with a status code.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
