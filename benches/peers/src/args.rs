//! The command line.

use std::fmt::Write;
use std::time::Duration;

use crate::contestant::Order;
use crate::measure::Plan;
use crate::peer::{self, Peer};
use crate::scenario::{self, Scenario};

/// What the command line asks for.
pub(crate) enum Command {
    /// Compare the peers and print the tables.
    Compare(Args),
    /// Be one contestant: the process that [`crate::contestant`] starts.
    Serve(Order),
    /// Print the options.
    Help,
}

/// What to compare, and how.
pub(crate) struct Args {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) peers: Vec<&'static Peer>,
    pub(crate) plan: Plan,
    pub(crate) json: bool,
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut scenarios = Vec::new();
    let mut peers = Vec::new();
    let mut rounds = None;
    let mut quick = false;
    let mut json = false;

    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--only" => scenarios.push(scenario_named(&value()?)?),
            "--peer" => peers.push(peer_named(&value()?)?),
            "--rounds" => rounds = Some(number(&value()?)?),
            "--quick" => quick = true,
            "--json" => json = true,
            "--help" | "-h" => return Ok(Command::Help),
            Order::COMMAND => {
                return Ok(Command::Serve(Order {
                    peer: peer_named(&value()?)?,
                    workers: number(&value()?)?,
                    scenario: scenario_named(&value()?)?,
                }));
            }
            _ => return Err(format!("unknown argument {word:?}")),
        }
    }

    if scenarios.is_empty() {
        scenarios.extend(scenario::ALL);
    }
    if peers.is_empty() {
        peers.extend(peer::ALL);
    }
    let mut plan = if quick { Plan::QUICK } else { Plan::FULL };
    plan.rounds = rounds.unwrap_or(plan.rounds);
    Ok(Command::Compare(Args {
        scenarios,
        peers,
        plan,
        json,
    }))
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = format!(
        "greenhub timed beside its peers\n\n\
         --only SCENARIO  only this scenario; may be repeated\n\
         --peer PEER      only this peer; may be repeated\n\
         --rounds N       samples of each peer ({} unless told)\n\
         --quick          {} rounds of {} ms instead of {} ms: a first look\n\
         --json           every sample as JSON instead of the tables\n\nscenarios:\n",
        Plan::FULL.rounds,
        Plan::QUICK.rounds,
        Plan::QUICK.sample.as_millis(),
        Plan::FULL.sample.as_millis(),
    );
    for scenario in scenario::ALL {
        writeln!(text, "  {:<19}{}", scenario.name, scenario.what).expect("a String takes all");
    }
    text.push_str("\npeers:\n");
    for peer in peer::ALL {
        writeln!(text, "  {:<19}{}", peer.name, peer.what).expect("a String takes all");
    }
    text
}

fn scenario_named(name: &str) -> Result<&'static Scenario, String> {
    let found = scenario::ALL.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| format!("no scenario is called {name:?}"))
}

fn peer_named(name: &str) -> Result<&'static Peer, String> {
    let found = peer::ALL.iter().find(|peer| peer.name == name);
    found.ok_or_else(|| format!("no peer is called {name:?}"))
}

fn number(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{word:?} is not a positive number")),
    }
}

impl Plan {
    const FULL: Plan = Plan {
        rounds: 9,
        sample: Duration::from_millis(150),
    };
    const QUICK: Plan = Plan {
        rounds: 3,
        sample: Duration::from_millis(30),
    };
}
