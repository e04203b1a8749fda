//! greenhub's sockets timed beside its peers': `cargo run --release -p greenhub-peers --bin net-echo`.
//!
//! Every runtime serves the same echo with two workers, in a process of its own ([`contestant`], [`servers`]); one client
//! ([`client`]), the same for all, keeps a message under way on every connection. The servers take turns, round by round,
//! and are compared within each round ([`report`]): what disturbs the machine for a while disturbs all of them.
//!
//! A request is a message and its echo. The CPU time is the server process's own, over the requests of the same stretch.

mod client;
mod contestant;
mod report;
mod servers;

use std::process::ExitCode;
use std::time::Duration;

use contestant::Contestant;
use report::{Comparison, Sample};

const HELP: &str = "\
greenhub's echo server timed beside its peers'

--peer NAME         only this one (greenhub, tokio, may, go); may be repeated
--connections N     so many connections; may be repeated (64 and 1000 unless told)
--rounds N          samples of each peer (9 unless told)
--seconds S         how long a sample takes (2 unless told)
--workers N         workers of each server (2 unless told)
--clients N         threads of the client (2 unless told)
";

struct Args {
    peers: Vec<String>,
    connections: Vec<usize>,
    rounds: usize,
    sample: Duration,
    workers: usize,
    clients: usize,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [command, peer, workers] = &words[..] {
        if command == Contestant::COMMAND {
            servers::serve(peer, workers.parse().expect("a number of workers"));
            return ExitCode::SUCCESS;
        }
    }
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match parse(words).and_then(|args| compare(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("net-echo: {complaint}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: Vec<String>) -> Result<Args, String> {
    let mut args = Args {
        peers: Vec::new(),
        connections: Vec::new(),
        rounds: 9,
        sample: Duration::from_secs(2),
        workers: 2,
        clients: 2,
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || match value.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{value:?} is not a positive number")),
        };
        match word.as_str() {
            "--peer" => args.peers.push(value),
            "--connections" => args.connections.push(number()?),
            "--rounds" => args.rounds = number()?,
            "--seconds" => {
                let seconds: f64 = value.parse().map_err(|_| format!("{value:?} seconds"))?;
                args.sample = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| format!("{value} seconds: {error}"))?;
            }
            "--workers" => args.workers = number()?,
            "--clients" => args.clients = number()?,
            _ => {
                return Err(format!(
                    "unknown argument {word:?}; --help lists the options"
                ));
            }
        }
    }
    if args.peers.is_empty() {
        args.peers = ["greenhub", "tokio", "may", "go"].map(String::from).into();
    }
    if args.connections.is_empty() {
        args.connections = vec![64, 1000];
    }
    Ok(args)
}

fn compare(args: &Args) -> Result<(), String> {
    let mut contestants = Vec::new();
    for peer in &args.peers {
        match Contestant::start(peer, args.workers) {
            Ok(contestant) => contestants.push(contestant),
            Err(reason) => eprintln!("without {peer}: {reason}"),
        }
    }
    println!(
        "Echo of {} bytes, {} workers, {} client threads, {} rounds of {:?}: medians. A ratio is greenhub's in that of the \
         row, the median of the rounds' own.\n",
        client::MESSAGE,
        args.workers,
        args.clients,
        args.rounds,
        args.sample
    );
    for &connections in &args.connections {
        let names: Vec<String> = contestants
            .iter()
            .map(|contestant| contestant.name().to_owned())
            .collect();
        let mut comparison = Comparison::new(connections, names);
        // Each round begins with another contestant.
        for round in 0..args.rounds {
            eprint!("\r{connections} connections: round {} ", round + 1);
            for place in 0..contestants.len() {
                let who = (round + place) % contestants.len();
                let sample = sample(&mut contestants[who], connections, args)
                    .map_err(|error| format!("{}: {error}", contestants[who].name()))?;
                comparison.add(who, sample);
            }
        }
        eprintln!();
        println!("{}", comparison.table());
    }
    Ok(())
}

fn sample(contestant: &mut Contestant, connections: usize, args: &Args) -> std::io::Result<Sample> {
    let address = contestant.address();
    let mut before = Duration::ZERO;
    let mut after = Duration::ZERO;
    let load = client::Load {
        address,
        connections,
        threads: args.clients,
        warm_up: args.sample / 5,
        measure: args.sample,
    };
    let echoes = load.run(|begins| {
        let now = contestant.cpu_time();
        if begins { before = now } else { after = now }
    })?;
    Ok(Sample::new(echoes, args.sample, after - before))
}
