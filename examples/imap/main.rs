//! eventlet's `GreenPool.imap`: fetches the pages of a list with a few greenlets at a time, and prints them in the order of the
//! list.
//!
//! Without arguments the pages are photos of the downloader example's server, which this starts in another process; with
//! arguments, these URLs are fetched.

#[path = "../downloader/album.rs"]
#[allow(dead_code, reason = "the server's")]
mod album;
#[path = "../downloader/http.rs"]
#[allow(dead_code, reason = "the downloader uses all of it")]
mod http;
#[path = "../downloader/peer.rs"]
mod peer;
#[path = "../downloader/places.rs"]
#[allow(dead_code, reason = "the downloader uses all of it")]
mod places;
#[path = "../downloader/url.rs"]
#[allow(dead_code, reason = "the downloader uses all of it")]
mod url;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use greenhub::pool::Pool;

/// How many pages are fetched at a time.
const AT_ONCE: usize = 10;

/// How long one wait for the network may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one page came to.
fn fetch(page: &str) -> Result<(usize, Duration), String> {
    let answer = http::get(&page.parse()?, PATIENCE, &|_| ())?;
    Ok((answer.body.len(), answer.latency))
}

fn main() -> ExitCode {
    let mut pages: Vec<String> = std::env::args().skip(1).collect();
    if pages == ["--serve"] {
        return match peer::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => failed(&message),
        };
    }
    // The server lives until this value is dropped.
    let mut server = None;
    if pages.is_empty() {
        let peer = match peer::Peer::start() {
            Ok(peer) => peer,
            Err(message) => return failed(&message),
        };
        pages.extend((1..=30).map(|photo| format!("{}/photos/{photo}", peer.site())));
        server = Some(peer);
    }

    let began = Instant::now();
    let (failures, waited) = greenhub::run(|| {
        let pool = Pool::new(AT_ONCE);
        let (mut failures, mut waited) = (0, Duration::ZERO);
        let results = pool.imap(pages.clone(), |page| fetch(&page));
        for (page, result) in pages.iter().zip(results) {
            match result.unwrap_or_else(|error| Err(error.to_string())) {
                Ok((bytes, latency)) => {
                    waited += latency;
                    println!("{page}: {bytes} bytes");
                }
                Err(message) => {
                    failures += 1;
                    println!("{page}: {message}");
                }
            }
        }
        (failures, waited)
    });
    drop(server);
    println!(
        "{} pages in {:.2?}, {AT_ONCE} at a time; one after the other the server alone would have taken {waited:.2?}",
        pages.len(),
        began.elapsed()
    );
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        failed(&format!("{failures} pages failed"))
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("imap: {message}");
    ExitCode::FAILURE
}
