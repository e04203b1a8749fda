//! Bytes that tell when one is missing, doubled or in a wrong place.

use std::io;

/// A prime, so that no power of two hides an error.
const PERIOD: usize = 251;

/// A piece is at most this long.
pub const PIECE: usize = 8 * 1024;

static NOISE: [u8; PERIOD + PIECE] = {
    let mut noise = [0; PERIOD + PIECE];
    let mut at = 0;
    while at < noise.len() {
        let place = at % PERIOD;
        noise[at] = ((place * place * 7 + place * 13) % PERIOD) as u8;
        at += 1;
    }
    noise
};

/// What stands from `offset` on, for `length` bytes or up to [`PIECE`].
#[must_use]
pub fn from(offset: u64, length: u64) -> &'static [u8] {
    let start = (offset % PERIOD as u64) as usize;
    let length = length.min(PIECE as u64) as usize;
    &NOISE[start..start + length]
}

/// Compares `bytes` with what should stand from `offset` on.
///
/// # Errors
///
/// `InvalidData` if they differ.
pub fn check(offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut offset = offset;
    for piece in bytes.chunks(PIECE) {
        if piece != from(offset, piece.len() as u64) {
            let why = format!("wrong bytes after the first {offset}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        offset += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_noticed_and_a_seam_is_not() {
        let whole: Vec<u8> = (0..4)
            .flat_map(|piece| from(piece * 5000, 5000))
            .copied()
            .collect();
        check(0, &whole).unwrap();
        check(777, &whole[777..]).unwrap();
        for shift in 1..PERIOD {
            check(0, &whole[shift..]).unwrap_err();
        }
    }
}
