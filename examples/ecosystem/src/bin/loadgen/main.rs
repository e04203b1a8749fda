//! A small Locust: thousands of virtual users, each a greenlet that goes through its scenario in plain sequential code.
//!
//! ```text
//! cargo run --release -p greenhub-ecosystem --bin loadgen
//! cargo run --release -p greenhub-ecosystem --bin loadgen -- --users 5000 --seconds 10 --ramp 2
//! cargo run --release -p greenhub-ecosystem --bin loadgen -- --target 127.0.0.1:8080
//! ```
//!
//! A user keeps a connection, asks for a page, thinks, posts something and compares the echo, thinks, fetches bytes and
//! checks each of them, thinks, and begins anew. Without `--target` they visit the service of the `http` example, which
//! runs in a process of its own.
//!
//! A user who waits for an answer asks for nothing else meanwhile, as people do; so if the server stalls, the load falls,
//! and the latencies tell less than those of a load at a fixed rate would.
//!
//! | file | what it does |
//! | --- | --- |
//! | `scenario.rs` | what a user does |
//! | `tally.rs` | counting |
//! | `report.rs` | the figures each second, and the table |
//! | `target.rs` | the service in a process of its own |

mod report;
mod scenario;
mod tally;
mod target;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::{join_all, spawn};
use greenhub_ecosystem::child::Peer;
use greenhub_ecosystem::files;
use greenhub_ecosystem::options::{self, Arguments, Usage};

use scenario::Plan;
use tally::Tally;

const HELP: &str = "\
Lets virtual users loose on an HTTP server, with a greenlet each.

Usage: loadgen [OPTIONS]

Without --target they visit a server that it starts itself, in another process.

Options:
  --users N         users at once [default: 2000]
  --seconds S       how long they are active [default: 4]
  --ramp S          over how long they arrive, of that time [default: 1]
  --think S         how long a user pauses on average between requests [default: 1]
  --timeout S       how long the server may keep silent [default: 30]
  --target ADDRESS  an `http` example that is running, such as 127.0.0.1:8080
  --help            print this

It ends with status 1 if a request failed, and with 2 if it was called in a wrong way.
";

enum Work {
    Load(Options),
    /// Only serve; for the parent.
    Serve,
}

struct Options {
    users: u64,
    active: Duration,
    ramp: Duration,
    think: Duration,
    timeout: Duration,
    target: Option<SocketAddr>,
}

fn main() -> ExitCode {
    options::run("loadgen", HELP, parse, |work| match work {
        Work::Load(options) => load(&options),
        Work::Serve => target::serve(),
    })
}

fn parse(arguments: &mut Arguments) -> Result<Work, Usage> {
    let mut options = Options {
        users: 2000,
        active: Duration::from_secs(4),
        ramp: Duration::from_secs(1),
        think: Duration::from_secs(1),
        timeout: Duration::from_secs(30),
        target: None,
    };
    while let Some(option) = arguments.option()? {
        match option.as_str() {
            "--users" => options.users = arguments.number(&option, 1, 1_000_000)?,
            "--seconds" => options.active = arguments.seconds(&option)?,
            "--ramp" => options.ramp = arguments.seconds(&option)?,
            "--think" => options.think = arguments.seconds(&option)?,
            "--timeout" => options.timeout = arguments.seconds(&option)?,
            "--target" => {
                options.target = Some(arguments.value(&option, "an address with a port")?);
            }
            target::SERVE => return Ok(Work::Serve),
            _ => return Err(options::unknown(&option)),
        }
    }
    if options.ramp > options.active {
        return Err(Usage::Wrong("--ramp is longer than --seconds".to_string()));
    }
    if options.timeout.is_zero() {
        return Err(Usage::Wrong("--timeout needs more than 0".to_string()));
    }
    Ok(Work::Load(options))
}

fn load(options: &Options) -> Result<(), String> {
    let room = files::room_for(options.users)
        .map_err(|error| format!("cannot ask for open files: {error}"))?;
    if room < options.users {
        return Err(format!("the system allows {room} users (ulimit -Hn)"));
    }
    // It lives until this value is dropped, or told to end.
    let peer = match options.target {
        Some(_) => None,
        None => {
            let peer = Peer::start(&[target::SERVE]);
            Some(peer.map_err(|error| format!("cannot start the server: {error}"))?)
        }
    };
    let address = options.target.or(peer.as_ref().map(Peer::address));
    let address = address.ok_or("there is no target")?;
    println!(
        "{} users on http://{address} for {:?}, arriving over {:?}",
        options.users, options.active, options.ramp
    );

    let tally = Arc::new(Tally::default());
    let begun = Instant::now();
    let plan = Plan {
        address,
        users: options.users,
        ramp: options.ramp,
        think: options.think,
        timeout: options.timeout,
        end: begun + options.active,
    };
    greenhub::run(|| simulate(plan, &tally));
    report::table(&tally, begun.elapsed());

    if let Some(peer) = peer {
        peer.end().map_err(|error| error.to_string())?;
    }
    match (tally.failed(), tally.done()) {
        (0, 0) => Err("there was no time for a single request".to_string()),
        (0, _) => Ok(()),
        (1, _) => Err("one request failed".to_string()),
        (failed, _) => Err(format!("{failed} requests failed")),
    }
}

fn simulate(plan: Plan, tally: &Arc<Tally>) {
    let plan = Arc::new(plan);
    let live = spawn({
        let tally = Arc::clone(tally);
        move || report::live(&tally)
    });
    let users = (0..plan.users).map(|number| {
        let (plan, tally) = (Arc::clone(&plan), Arc::clone(tally));
        spawn(move || scenario::user(number, &plan, &tally))
    });
    let users: Vec<_> = users.collect();
    for user in join_all(users) {
        // A user that panicked is one failure more; its message is on stderr.
        if let Err(error) = user {
            tally.complain(&format!("a user: {error}"));
        }
    }
    live.kill();
    let _killed = live.join();
}
