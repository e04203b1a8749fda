//! The photos that the peer serves: the same on every run.
//!
//! A photo's number decides how large it is, what is in it and how long the server takes to find it. Many numbers share a
//! picture, so that a few megabytes of memory serve any number of users.

use std::time::Duration;

use sha2::{Digest, Sha256};

const PICTURES: u64 = 128;

/// A user's photos are numbered from `user * SPAN` on.
const SPAN: u64 = 100_000;

const SMALLEST: f64 = 10.0 * 1024.0;
const LARGEST: f64 = 1024.0 * 1024.0;

pub(crate) struct Album {
    pictures: Vec<Picture>,
}

pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: String,
}

impl Album {
    pub(crate) fn new() -> Album {
        let pictures = (0..PICTURES).map(picture).collect();
        Album { pictures }
    }

    pub(crate) fn photo(&self, number: u64) -> &Picture {
        &self.pictures[(scatter(number) % PICTURES) as usize]
    }
}

/// Numbers of the photos of `user`, who has at least one and at most `most`.
pub(crate) fn photos_of(user: u64, most: u64) -> impl Iterator<Item = u64> {
    let many = most.div_ceil(4) + scatter(user) % (most - most.div_ceil(4) + 1);
    let first = user.wrapping_mul(SPAN);
    (0..many.clamp(1, SPAN)).map(move |photo| first.wrapping_add(photo))
}

/// 10 to 200 ms, the way a distant server takes them.
pub(crate) fn latency(number: u64) -> Duration {
    Duration::from_millis(10 + scatter(!number) % 191)
}

/// Noise, as many bytes as photos are: half of the pictures are smaller than 100 KiB.
fn picture(number: u64) -> Picture {
    let share = scatter(number) as f64 / u64::MAX as f64;
    let size = (SMALLEST * (LARGEST / SMALLEST).powf(share)) as usize;
    let words = (number << 32..).map(|word| scatter(word).to_le_bytes());
    let mut bytes: Vec<u8> = words.take(size / 8 + 1).flatten().collect();
    bytes.truncate(size);
    let sha256 = hex(&Sha256::digest(&bytes));
    Picture { bytes, sha256 }
}

/// Turns neighbours into strangers (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
