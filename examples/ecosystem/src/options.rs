//! The command line: options with a value each, `--help`, and status 2 for what is wrong.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// The arguments that are left.
#[derive(Debug)]
pub struct Arguments {
    rest: std::vec::IntoIter<String>,
}

/// Why a program is not to do its work.
#[derive(Debug, PartialEq, Eq)]
pub enum Usage {
    /// It is asked for its help.
    Help,
    /// It is called in a wrong way.
    Wrong(String),
}

/// A program's `main`: reads the options, does the work, and says with the exit status how that went.
pub fn run<O>(
    name: &str,
    help: &str,
    parse: impl FnOnce(&mut Arguments) -> Result<O, Usage>,
    work: impl FnOnce(O) -> Result<(), String>,
) -> ExitCode {
    end_with_the_reader();
    // An argument that is no text is shown with question marks in the complaint.
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    match parse(&mut Arguments::new(arguments.collect())) {
        Ok(options) => match work(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                eprintln!("{name}: {message}");
                ExitCode::FAILURE
            }
        },
        Err(Usage::Help) => {
            print!("{help}");
            ExitCode::SUCCESS
        }
        Err(Usage::Wrong(message)) => {
            eprintln!("{name}: {message}; try --help");
            ExitCode::from(2)
        }
    }
}

/// Lets the process end quietly when nobody reads its output any more, as in `http | head`. Rust's `println` would panic.
/// Sockets are not concerned: greenhub asks for no signal with each call.
fn end_with_the_reader() {
    // SAFETY: no handler is installed: this is the disposition that the process was born with.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

impl Arguments {
    fn new(arguments: Vec<String>) -> Arguments {
        Arguments {
            rest: arguments.into_iter(),
        }
    }

    /// The next option; `None` behind the last.
    ///
    /// # Errors
    ///
    /// If it is `--help`, or no option.
    pub fn option(&mut self) -> Result<Option<String>, Usage> {
        match self.rest.next() {
            Some(option) if option == "--help" || option == "-h" => Err(Usage::Help),
            Some(option) if option.starts_with("--") => Ok(Some(option)),
            Some(argument) => Err(Usage::Wrong(format!("`{argument}` means nothing here"))),
            None => Ok(None),
        }
    }

    /// An option's value, a `what`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn value<T: FromStr>(&mut self, option: &str, what: &str) -> Result<T, Usage> {
        let value = self
            .rest
            .next()
            .ok_or_else(|| Usage::Wrong(format!("{option} needs {what}")))?;
        value
            .parse()
            .map_err(|_| Usage::Wrong(format!("{option} needs {what}, not `{value}`")))
    }

    /// An option's value, a number from `least` to `most`.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn number(&mut self, option: &str, least: u64, most: u64) -> Result<u64, Usage> {
        let number = self.value(option, "a number")?;
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            let why = format!("{option} needs a number from {least} to {most}, not {number}");
            Err(Usage::Wrong(why))
        }
    }

    /// An option's value, a time in seconds, not necessarily whole, of at most a day.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn seconds(&mut self, option: &str) -> Result<Duration, Usage> {
        let seconds: f64 = self.value(option, "seconds")?;
        if (0.0..=86_400.0).contains(&seconds) {
            Ok(Duration::from_secs_f64(seconds))
        } else {
            let why = format!("{option} needs seconds from 0 to 86400, not {seconds}");
            Err(Usage::Wrong(why))
        }
    }
}

/// What to say of an option that is not there.
#[must_use]
pub fn unknown(option: &str) -> Usage {
    Usage::Wrong(format!("there is no option {option}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::new(line.split(' ').map(String::from).collect())
    }

    #[test]
    fn options_have_values() {
        let mut arguments = arguments("--users 5 --ramp 0.5 --at 127.0.0.1:80");
        assert_eq!(arguments.option(), Ok(Some("--users".to_string())));
        assert_eq!(arguments.number("--users", 1, 9), Ok(5));
        assert_eq!(arguments.option(), Ok(Some("--ramp".to_string())));
        assert_eq!(arguments.seconds("--ramp"), Ok(Duration::from_millis(500)));
        assert_eq!(arguments.option(), Ok(Some("--at".to_string())));
        let address: std::net::SocketAddr = arguments.value("--at", "an address").unwrap();
        assert_eq!(address.port(), 80);
        assert_eq!(arguments.option(), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(arguments("-h").option(), Err(Usage::Help));
        assert_eq!(arguments("--help").option(), Err(Usage::Help));
        let wrong = |result: Result<u64, Usage>| match result {
            Err(Usage::Wrong(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(matches!(arguments("5").option(), Err(Usage::Wrong(_))));
        let number = |text| wrong(arguments(text).number("--n", 1, 9));
        assert_eq!(number("0"), "--n needs a number from 1 to 9, not 0");
        assert_eq!(number("ten"), "--n needs a number, not `ten`");
        assert_eq!(
            wrong(Arguments::new(Vec::new()).number("--n", 1, 9)),
            "--n needs a number"
        );
        for odd in ["-1", "NaN", "inf", "1e9", "x"] {
            assert!(
                matches!(arguments(odd).seconds("--s"), Err(Usage::Wrong(_))),
                "{odd}"
            );
        }
    }
}
