//! Bytes that have come and are not used yet.

use std::io::{self, Read};

/// How much it holds at first.
const ROOM: usize = 4 * 1024;

/// Reads are made into the rest of it, so that what arrives together costs one read.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What is unread is `bytes[start..end]`; beyond `end` lie zeroes, or what has been.
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer {
            bytes: vec![0; ROOM],
            start: 0,
            end: 0,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "no more than is there");
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// One read. Returns how many bytes have come, 0 at the end of the stream.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.bytes.resize(2 * self.bytes.len(), 0);
            }
        }
        let count = read(stream, &mut self.bytes[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Takes what is there, or else reads past the buffer: a large body is copied once.
    pub(super) fn read(&mut self, stream: &mut impl Read, target: &mut [u8]) -> io::Result<usize> {
        if self.is_empty() {
            return read(stream, target);
        }
        let count = target.len().min(self.end - self.start);
        target[..count].copy_from_slice(&self.unread()[..count]);
        self.consume(count);
        Ok(count)
    }
}

fn read(stream: &mut impl Read, target: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(target) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_unread_when_it_moves_and_grows() {
        let sent: Vec<u8> = (0..40_000u32).map(|i| i as u8).collect();
        let mut stream = &sent[..];
        let mut buffer = Buffer::new();
        let mut seen = Vec::new();
        for round in 0.. {
            if buffer.fill(&mut stream).unwrap() == 0 {
                break;
            }
            // Sometimes nothing is used, so that it has to grow; sometimes a part, so that the rest has to move.
            let count = [0, 1000, 3000][round % 3].min(buffer.unread().len());
            seen.extend_from_slice(&buffer.unread()[..count]);
            buffer.consume(count);
        }
        seen.extend_from_slice(buffer.unread());
        assert!(seen == sent);
    }
}
