//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Downloads files with a greenlet each, and hashes them on every core.

Usage: downloader [OPTIONS] [URL]...

Without URLs it starts a photo server of its own and fetches the photos of many users.

Options:
  --users N          users whose photos are fetched [default: 500]
  --photos N         the most photos that a user has [default: 40]
  --at-once N        files in flight at once [default: 500]
  --timeout SECONDS  how long a server may keep silent [default: 30]
  --save FOLDER      keep what the URLs give, in this folder
  --serve            only serve the photos, until standard input ends
  --help             print this

It ends with status 1 if a file failed, and with 2 if it was called in a wrong way.
";

pub(crate) enum Command {
    Download(Options),
    Serve,
    Help,
}

pub(crate) struct Options {
    pub(crate) what: What,
    pub(crate) at_once: usize,
    pub(crate) timeout: Duration,
    pub(crate) save: Option<PathBuf>,
}

pub(crate) enum What {
    Photos { users: u32, most: u32 },
    Urls(Vec<String>),
}

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut users, mut most) = (500, 40);
    let (mut at_once, mut seconds) = (500, 30);
    let mut save = None;
    let mut urls = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--users" => users = number(&arg, args.next())?,
            "--photos" => most = number(&arg, args.next())?,
            "--at-once" => at_once = number(&arg, args.next())?,
            "--timeout" => seconds = number(&arg, args.next())?,
            "--save" => save = Some(PathBuf::from(args.next().ok_or("--save needs a folder")?)),
            "--serve" => return Ok(Command::Serve),
            "--help" | "-h" => return Ok(Command::Help),
            option if option.starts_with('-') => {
                return Err(format!("there is no option {option}"));
            }
            _ => urls.push(arg),
        }
    }
    if save.is_some() && urls.is_empty() {
        return Err("--save is for URLs".into());
    }
    let what = if urls.is_empty() {
        What::Photos { users, most }
    } else {
        What::Urls(urls)
    };
    let timeout = Duration::from_secs(seconds.into());
    Ok(Command::Download(Options {
        what,
        at_once: at_once as usize,
        timeout,
        save,
    }))
}

fn number(option: &str, value: Option<String>) -> Result<u32, String> {
    let value = value.ok_or(format!("{option} needs a number"))?;
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{option} needs a number above 0, not `{value}`")),
    }
}
