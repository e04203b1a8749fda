//! A body that is being read, whatever its coding.

use std::io::{self, Read};

use super::buffer::Buffer;
use super::chunks::{Decoder, Malformed};
use super::head::Framing;

/// How far the reading has come.
#[derive(Debug)]
pub(super) struct Body {
    kind: Kind,
    /// Bytes of the body so far.
    read: u64,
}

#[derive(Debug)]
enum Kind {
    Length { left: u64 },
    Chunked(Decoder),
    UntilClose { ended: bool },
}

/// Why a body cannot be read on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The stream ends before it.
    Short,
    /// Its coding is wrong.
    Malformed,
    Io(io::Error),
}

impl Body {
    pub(super) fn new(framing: Framing) -> Body {
        let kind = match framing {
            Framing::Length(left) => Kind::Length { left },
            Framing::Chunked => Kind::Chunked(Decoder::new()),
            Framing::UntilClose => Kind::UntilClose { ended: false },
        };
        Body { kind, read: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        match &self.kind {
            Kind::Length { left } => *left == 0,
            Kind::Chunked(decoder) => decoder.is_done(),
            Kind::UntilClose { ended } => *ended,
        }
    }

    /// Bytes of the body so far.
    pub(super) fn count(&self) -> u64 {
        self.read
    }

    /// Reads a part of it; 0 bytes at its end. `target` is not empty.
    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        stream: &mut impl Read,
        target: &mut [u8],
    ) -> Result<usize, Broken> {
        let count = match &mut self.kind {
            Kind::Length { left: 0 } | Kind::UntilClose { ended: true } => 0,
            Kind::Length { left } => {
                let most =
                    usize::try_from(*left).map_or(target.len(), |left| left.min(target.len()));
                match buffer.read(stream, &mut target[..most]) {
                    Ok(0) => return Err(Broken::Short),
                    Ok(count) => {
                        *left -= count as u64;
                        count
                    }
                    Err(error) => return Err(Broken::Io(error)),
                }
            }
            Kind::Chunked(decoder) => chunked(decoder, buffer, stream, target)?,
            Kind::UntilClose { ended } => {
                let count = buffer.read(stream, target).map_err(Broken::Io)?;
                *ended = count == 0;
                count
            }
        };
        self.read += count as u64;
        Ok(count)
    }
}

fn chunked(
    decoder: &mut Decoder,
    buffer: &mut Buffer,
    stream: &mut impl Read,
    target: &mut [u8],
) -> Result<usize, Broken> {
    loop {
        let step = decoder
            .decode(buffer.unread(), target)
            .map_err(|Malformed| Broken::Malformed)?;
        buffer.consume(step.consumed);
        if step.produced > 0 || decoder.is_done() {
            return Ok(step.produced);
        }
        if buffer.fill(stream).map_err(Broken::Io)? == 0 {
            return Err(Broken::Short);
        }
    }
}
