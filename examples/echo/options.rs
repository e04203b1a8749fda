//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const HELP: &str = "\
echo [OPTIONS]                  a server and its clients, in one process
echo server [ADDRESS]           a server (127.0.0.1:7000 unless told), until its input ends
echo client ADDRESS [OPTIONS]   clients of another's server

--connections N   clients (64 unless told)
--seconds S       how long they send (2 unless told)
--bytes N         the length of a message (64 unless told)
";

pub(crate) enum Command {
    Help,
    Demo(Load),
    Server(String),
    Client(SocketAddr, Load),
}

/// What the clients do.
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) bytes: usize,
}

pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut load = Load {
        connections: 64,
        duration: Duration::from_secs(2),
        bytes: 64,
    };
    let mut plain = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--connections" => load.connections = positive(&value()?)?,
            "--bytes" => load.bytes = positive(&value()?)?,
            "--seconds" => {
                let seconds = value()?;
                let number = seconds
                    .parse()
                    .map_err(|_| format!("{seconds:?} is no number"))?;
                load.duration =
                    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())?;
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option:?}")),
            _ => plain.push(word),
        }
    }
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    match plain[..] {
        [] => Ok(Command::Demo(load)),
        ["server"] => Ok(Command::Server("127.0.0.1:7000".into())),
        ["server", address] => Ok(Command::Server(address.into())),
        ["client", address] => match address.parse() {
            Ok(address) => Ok(Command::Client(address, load)),
            Err(_) => Err(format!("{address:?} is no address such as 127.0.0.1:7000")),
        },
        _ => Err(format!("{:?} is not understood", plain.join(" "))),
    }
}

fn positive(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{word:?} is not a positive number")),
    }
}
