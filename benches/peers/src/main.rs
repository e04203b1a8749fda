//! greenhub timed beside its peers, in one run on one machine: `cargo run --release -p greenhub-peers`.
//!
//! Every runtime runs the same scenarios ([`scenario`]), written once for runtimes that switch stacks ([`stackful`])
//! and once for those that poll futures ([`stackless`]). Each lives in a process of its own ([`contestant`]), so that
//! none shares an allocator, a global scheduler or a crash with another. They take turns, round by round
//! ([`measure`]), and are compared within each round ([`report`]): what disturbs the machine for a while disturbs all
//! of them.

mod args;
mod contestant;
mod measure;
mod peer;
mod report;
mod scenario;
mod stackful;
mod stackless;

use std::process::ExitCode;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Compare(args)) => args,
        Ok(Command::Serve(order)) => return contestant::serve(&order),
        Ok(Command::Help) => {
            print!("{}", args::help());
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("greenhub-peers: {complaint}; --help lists the options");
            return ExitCode::from(2);
        }
    };

    let Args {
        scenarios,
        peers,
        plan,
        json,
    } = args;
    eprintln!(
        "{} rounds of about {} ms a sample{}",
        plan.rounds,
        plan.sample.as_millis(),
        measure::load_average().map_or(String::new(), |load| format!("; load average {load}")),
    );
    let spin = scenario::steps_per_task();
    let results: Vec<_> = scenarios
        .into_iter()
        .map(|scenario| measure::compare(scenario, &peers, &plan, spin))
        .collect();

    if json {
        print!("{}", report::json(&results));
    } else {
        print!("{}", report::tables(&results));
    }
    if results.iter().all(measure::Comparison::succeeded) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
