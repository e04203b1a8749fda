//! The greenlets: one a user, one a file, one for each hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::runtime::{Handle, Metrics};
use greenhub::{JoinHandle, join_all, spawn, spawn_compute};
use sha2::{Digest, Sha256};

use crate::album::hex;
use crate::http;
use crate::options::{Options, What};
use crate::places::Places;
use crate::tally::Tally;
use crate::url::Url;

/// What all the greenlets share.
#[derive(Clone)]
struct Crawl(Arc<Shared>);

struct Shared {
    tally: Arc<Tally>,
    places: Places,
    timeout: Duration,
    save: Option<PathBuf>,
    /// Print each file's digest.
    verbose: bool,
}

/// Downloads what `options` ask for, and tells how it went.
pub(crate) fn crawl(options: Options, site: Option<String>) -> (Arc<Tally>, Metrics) {
    let tally = Arc::new(Tally::new());
    let progress = spawn({
        let tally = tally.clone();
        move || tally.show()
    });
    let crawl = Crawl(Arc::new(Shared {
        tally: tally.clone(),
        places: Places::new(options.at_once),
        timeout: options.timeout,
        save: options.save,
        verbose: matches!(options.what, What::Urls(_)),
    }));

    match options.what {
        What::Urls(urls) => crawl.files(urls),
        What::Photos { users, most } => {
            let site: Arc<str> = site.unwrap_or_default().into();
            let users = (0..users).map(|user| {
                let (crawl, site) = (crawl.clone(), site.clone());
                spawn(move || crawl.user(&site, user, most))
            });
            crawl.wait(users.collect());
        }
    }

    tally.finish();
    progress.greenlet().unpark();
    let _ = progress.join();
    (tally, Handle::current().metrics())
}

impl Crawl {
    /// Lists a user's photos, then fetches them all at once.
    fn user(&self, site: &str, user: u32, most: u32) {
        let url = format!("{site}/users/{user}/photos?most={most}");
        let listing = {
            let _place = self.0.places.take();
            self.get(&url)
        };
        match listing {
            Err(why) => self.0.tally.fetch_failed(url, why),
            Ok((_, listing)) => {
                let paths = String::from_utf8_lossy(&listing.body);
                self.files(paths.lines().map(|path| format!("{site}{path}")).collect());
            }
        }
    }

    /// Fetches all of `urls`, with a greenlet each.
    fn files(&self, urls: Vec<String>) {
        self.0.tally.expect_files(urls.len() as u64);
        let files = urls.into_iter().map(|url| {
            let crawl = self.clone();
            spawn(move || match crawl.file(&url) {
                Ok(hashing) => crawl.0.tally.fetch_done(hashing),
                Err(why) => crawl.0.tally.fetch_failed(url, why),
            })
        });
        let files = files.collect();
        self.0.tally.count_greenlets();
        self.wait(files);
    }

    /// Fetches a file, then has it hashed (and saved) on the compute lane. Returns how long the hash took.
    fn file(&self, url: &str) -> Result<Duration, String> {
        let _place = self.0.places.take(); // until its bytes are gone
        let (url, answer) = self.get(url)?;
        let target = self
            .0
            .save
            .as_ref()
            .map(|folder| folder.join(url.file_name()));
        let bytes = answer.body.len();
        let hash = spawn_compute(move || {
            let begun = Instant::now();
            let digest = hex(&Sha256::digest(&answer.body));
            let time = begun.elapsed();
            if answer.digest.is_some_and(|promised| promised != digest) {
                return Err("the body does not match the digest in its header".to_string());
            }
            if let Some(target) = target {
                save(&target, &answer.body)
                    .map_err(|error| format!("cannot save {}: {error}", target.display()))?;
            }
            Ok((digest, time))
        });
        let (digest, time) = hash.join().map_err(|error| format!("hashing: {error}"))??;
        if self.0.verbose {
            self.0
                .tally
                .say(format_args!("{digest}  {bytes:>10}  {url}"));
        }
        Ok(time)
    }

    fn get(&self, url: &str) -> Result<(Url, http::Answer), String> {
        let url: Url = url.parse()?;
        let tally = &self.0.tally;
        let answer = http::get(&url, self.0.timeout, &|bytes| tally.read(bytes))?;
        tally.waited(answer.latency);
        Ok((url, answer))
    }

    /// A greenlet that panicked is one failure more; its message is on stderr.
    fn wait(&self, greenlets: Vec<JoinHandle<()>>) {
        for error in join_all(greenlets).into_iter().filter_map(Result::err) {
            self.0.tally.fetch_failed("a greenlet", error);
        }
    }
}

/// Writes a new file; what is there already stays.
fn save(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(target)?;
    std::io::Write::write_all(&mut file, bytes)
}
