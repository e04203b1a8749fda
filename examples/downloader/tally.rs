//! What has been done so far, and the progress bar that shows it.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use greenhub::runtime::Handle;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// Counted by all greenlets, on all hubs.
#[derive(Debug)]
pub(crate) struct Tally {
    bar: ProgressBar,
    done: AtomicBool,
    /// Files known so far.
    files: AtomicU64,
    fetched: AtomicU64,
    failed: AtomicU64,
    /// Bytes read so far, those of failed files included.
    bytes: AtomicU64,
    latency_us: AtomicU64,
    hashing_us: AtomicU64,
    peak: AtomicUsize,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let style = "{spinner} {bar:32} {pos} of {len} files, {msg}";
        let style = ProgressStyle::with_template(style).expect("a template as indicatif wants it");
        Tally {
            bar: ProgressBar::new(0).with_style(style),
            done: AtomicBool::new(false),
            files: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            hashing_us: AtomicU64::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    pub(crate) fn expect_files(&self, files: u64) {
        self.files.fetch_add(files, Relaxed);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn waited(&self, latency: Duration) {
        self.latency_us
            .fetch_add(latency.as_micros() as u64, Relaxed);
    }

    pub(crate) fn fetch_done(&self, hashing: Duration) {
        self.hashing_us
            .fetch_add(hashing.as_micros() as u64, Relaxed);
        self.fetched.fetch_add(1, Relaxed);
    }

    pub(crate) fn fetch_failed(&self, url: impl Display, why: impl Display) {
        self.failed.fetch_add(1, Relaxed);
        self.bar.suspend(|| eprintln!("{url}: {why}"));
    }

    /// Prints a line without tearing the progress bar.
    pub(crate) fn say(&self, line: impl Display) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Notes how many greenlets are alive, if they have never been so many.
    pub(crate) fn count_greenlets(&self) {
        self.peak
            .fetch_max(Handle::current().metrics().alive(), Relaxed);
    }

    /// Keeps the progress on stderr up to date until [`finish`](Self::finish): a bar on a terminal, else a line a second.
    pub(crate) fn show(&self) {
        let mut told = Instant::now();
        while !self.done.load(Relaxed) {
            self.count_greenlets();
            let (done, files) = (self.fetched() + self.failed(), self.files.load(Relaxed));
            let bytes = HumanBytes(self.bytes());
            if files == 0 {
                // Nothing is known yet.
            } else if !self.bar.is_hidden() {
                self.bar.set_length(files);
                self.bar.set_position(done);
                self.bar.set_message(bytes.to_string());
                self.bar.tick();
            } else if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                eprintln!("{done} of {files} files, {bytes}");
            }
            greenhub::park_timeout(Duration::from_millis(50));
        }
        self.bar.finish_and_clear();
    }

    /// Ends [`show`](Self::show), once its greenlet is unparked.
    pub(crate) fn finish(&self) {
        self.done.store(true, Relaxed);
    }

    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// What the servers' latencies add up to.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Relaxed))
    }

    /// What the time spent on hashing adds up to.
    pub(crate) fn hashing(&self) -> Duration {
        Duration::from_micros(self.hashing_us.load(Relaxed))
    }

    /// The most greenlets that were seen alive.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }
}
