//! gevent's downloader on every core.
//!
//! ```text
//! cargo run --release --example downloader
//! cargo run --release --example downloader -- --users 500
//! cargo run --release --example downloader -- http://example.com/
//! ```
//!
//! Without URLs it starts a photo server of its own, in another process, and plays a crawler: one greenlet a user lists the
//! user's photos, one greenlet a photo fetches it in plain sequential code, and each photo is hashed on the compute lane,
//! where it keeps nobody waiting. At the end a table says how long it all took, and who did the work.
//!
//! | file | what it does |
//! | --- | --- |
//! | `options.rs` | the command line |
//! | `crawl.rs` | the greenlets: users, photos, hashing |
//! | `http.rs`, `url.rs` | a small HTTP/1.1 client, written as if for threads |
//! | `places.rs` | how many files may be in flight |
//! | `tally.rs`, `report.rs` | the progress bar and the table |
//! | `peer.rs`, `album.rs` | the photo server, on plain OS threads |

mod album;
mod crawl;
mod http;
mod options;
mod peer;
mod places;
mod report;
mod tally;
mod url;

use std::process::ExitCode;
use std::time::Instant;

use options::{Command, Options, What};

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Command::Download(options)) => options,
        Ok(Command::Serve) => return exit_code(peer::serve()),
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("downloader: {message}; try --help");
            return ExitCode::from(2);
        }
    };
    exit_code(download(options))
}

fn exit_code(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("downloader: {message}");
            ExitCode::FAILURE
        }
    }
}

fn download(mut options: Options) -> Result<(), String> {
    options.at_once = options.at_once.min(places::open_files_limit());
    // The photo server lives until this value is dropped.
    let peer = match &options.what {
        What::Photos { .. } => Some(peer::Peer::start()?),
        What::Urls(_) => None,
    };
    let site = peer.as_ref().map(peer::Peer::site);

    let begun = Instant::now();
    let (tally, metrics) = greenhub::run(move || crawl::crawl(options, site));
    report::print(&tally, &metrics, begun.elapsed());

    match tally.failed() {
        0 => Ok(()),
        1 => Err("one file failed".into()),
        failed => Err(format!("{failed} files failed")),
    }
}
