//! The chunked transfer coding, decoded as it comes.
//!
//! Strict: lines end with CR LF, sizes are hexadecimal digits, and what is not data (extensions, trailers) is bounded.

/// A size line with its extensions may be this long.
const MOST_LINE: usize = 256;

/// All trailers together may be this long.
const MOST_TRAILERS: usize = 4 * 1024;

/// A size has at most this many digits.
const MOST_DIGITS: usize = 15;

/// Where in a chunked body we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size, of which there may be no digit yet.
    Size,
    /// Between a size and the end of its line.
    Extension,
    /// Behind the CR of a size line.
    SizeEnd,
    Data,
    /// Behind the data of a chunk.
    DataCr,
    DataLf,
    /// At the beginning of a trailer, or of the empty line that ends all.
    Trailers,
    Trailer,
    TrailerEnd,
    /// Behind the CR of the empty line.
    LastLf,
    Done,
}

/// This is no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// What is left of the chunk, or what is known of its size.
    left: u64,
    digits: usize,
    /// Bytes of the current line, or of all trailers.
    overhead: usize,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) produced: usize,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder {
            state: State::Size,
            left: 0,
            digits: 0,
            overhead: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Uses up `input` until it has produced something, or all is used, or the body has ended.
    pub(super) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Malformed> {
        let mut consumed = 0;
        while consumed < input.len() && !self.is_done() {
            if self.state == State::Data {
                let rest = &input[consumed..];
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                let produced = most.min(rest.len()).min(output.len());
                output[..produced].copy_from_slice(&rest[..produced]);
                self.left -= produced as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                consumed += produced;
                return Ok(Step { consumed, produced });
            }
            self.state = self.next(input[consumed])?;
            consumed += 1;
        }
        Ok(Step {
            consumed,
            produced: 0,
        })
    }

    fn next(&mut self, byte: u8) -> Result<State, Malformed> {
        self.overhead += 1;
        let most = match self.state {
            State::Trailers | State::Trailer | State::TrailerEnd | State::LastLf => MOST_TRAILERS,
            _ => MOST_LINE,
        };
        if self.overhead > most {
            return Err(Malformed);
        }
        match (self.state, byte) {
            (State::Size, digit) if digit.is_ascii_hexdigit() && self.digits < MOST_DIGITS => {
                let digit = char::from(digit).to_digit(16).expect("a digit");
                self.left = self.left * 16 + u64::from(digit);
                self.digits += 1;
                Ok(State::Size)
            }
            (State::Size, b'\r') if self.digits > 0 => Ok(State::SizeEnd),
            (State::Size, b';' | b' ' | b'\t') if self.digits > 0 => Ok(State::Extension),
            (State::Extension, b'\r') => Ok(State::SizeEnd),
            (State::Extension, byte) if byte != b'\n' => Ok(State::Extension),
            (State::SizeEnd, b'\n') => {
                (self.digits, self.overhead) = (0, 0);
                match self.left {
                    0 => Ok(State::Trailers),
                    _ => Ok(State::Data),
                }
            }
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.overhead = 0;
                Ok(State::Size)
            }
            (State::Trailers, b'\r') => Ok(State::LastLf),
            (State::Trailers | State::Trailer, byte) if byte != b'\n' => match byte {
                b'\r' => Ok(State::TrailerEnd),
                _ => Ok(State::Trailer),
            },
            (State::TrailerEnd, b'\n') => Ok(State::Trailers),
            (State::LastLf, b'\n') => Ok(State::Done),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input`, given in pieces of `piece` bytes. Returns the data and what is behind the end.
    fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
        let mut decoder = Decoder::new();
        let mut data = Vec::new();
        let mut output = [0; 7];
        let mut at = 0;
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + piece);
            let step = decoder.decode(&input[at..end], &mut output)?;
            at += step.consumed;
            data.extend_from_slice(&output[..step.produced]);
        }
        assert!(decoder.is_done(), "it ends early");
        Ok((data, input[at..].to_vec()))
    }

    #[test]
    fn bodies_decode_whatever_the_pieces_are() {
        let body = b"5\r\nhello\r\n00c ; name=\"value\"\r\n, wide world\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\nGET";
        for piece in 1..=body.len() {
            let (data, rest) = decode(body, piece).unwrap();
            assert_eq!(data, b"hello, wide world", "in pieces of {piece}");
            assert_eq!(rest, b"GET", "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long_extension = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MOST_LINE));
        let long_trailers = format!("0\r\n{}\r\n", "Trailer: x\r\n".repeat(MOST_TRAILERS / 10));
        for body in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\nx\r\n0\r\n\r\n",
            "0x1\r\nx\r\n0\r\n\r\n",
            " 1\r\nx\r\n0\r\n\r\n",
            "1\nx\n0\n\n",
            "1\rx",
            "1\r\nxy\r\n0\r\n\r\n",
            "1\r\nx0\r\n\r\n",
            "1;bad\nextension\r\nx\r\n0\r\n\r\n",
            "0\r\nbad\ntrailer\r\n\r\n",
            "1000000000000000\r\n",
            &long_extension,
            &long_trailers,
        ] {
            for piece in [1, body.len()] {
                assert_eq!(decode(body.as_bytes(), piece), Err(Malformed), "{body:?}");
            }
        }
    }
}
