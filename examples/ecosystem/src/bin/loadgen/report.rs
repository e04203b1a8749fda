//! The figures each second, and the table at the end.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use greenhub::sleep_until;
use greenhub_ecosystem::latencies::Latencies;

use crate::tally::{Figures, Step, Tally};

/// Says each second how it goes, until it is killed: on a terminal in one line, else in a line each.
pub(crate) fn live(tally: &Tally) {
    let terminal = std::io::stderr().is_terminal().then(|| Line);
    let begun = Instant::now();
    for second in 1.. {
        sleep_until(begun + Duration::from_secs(second));
        let recent = tally.take_recent();
        let line = format!(
            "{second:>4} s {:>6} users {:>7} requests/s {:>6} MB/s   p50 {:>8}   p99 {:>8}   {} errors",
            tally.active(),
            recent.latencies.count(),
            recent.bytes / 1_000_000,
            time(recent.latencies.quantile(0.5)),
            time(recent.latencies.quantile(0.99)),
            tally.failed(),
        );
        match terminal {
            Some(_) => eprint!("\r\x1b[2K{line}"),
            None => eprintln!("{line}"),
        }
        let _ = std::io::stderr().flush();
    }
}

/// The line on a terminal that is rewritten each second. It goes with the greenlet that writes it.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        eprint!("\r\x1b[2K");
    }
}

pub(crate) fn table(tally: &Tally, wall: Duration) {
    println!();
    row(
        "step",
        ["count", "errors", "per second", "p50", "p90", "p99", "max"].map(String::from),
    );
    let mut all = Figures::default();
    for step in Step::ALL {
        let figures = tally.step(step);
        row(step.name(), columns(&figures, wall));
        if step != Step::Connect {
            all.failed += figures.failed;
            all.bytes += figures.bytes;
            all.latencies += &figures.latencies;
        }
    }
    row("all requests", columns(&all, wall));
    println!(
        "\n{:.1} MB of bodies in {:.2} s",
        all.bytes as f64 / 1e6,
        wall.as_secs_f64()
    );
}

fn columns(figures: &Figures, wall: Duration) -> [String; 7] {
    let latencies: &Latencies = &figures.latencies;
    let rate = latencies.count() as f64 / wall.as_secs_f64();
    [
        latencies.count().to_string(),
        figures.failed.to_string(),
        format!("{rate:.0}"),
        time(latencies.quantile(0.5)),
        time(latencies.quantile(0.9)),
        time(latencies.quantile(0.99)),
        time(latencies.longest()),
    ]
}

fn row(name: &str, columns: [String; 7]) {
    print!("{name:<13}");
    for column in columns {
        print!(" {column:>10}");
    }
    println!();
}

/// Three digits, more or less.
fn time(time: Duration) -> String {
    let microseconds = time.as_micros();
    match microseconds {
        0..1000 => format!("{microseconds} µs"),
        1000..1_000_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}
