//! The table at the end.

use std::fmt::Display;
use std::time::Duration;

use greenhub::runtime::{HubMetrics, Metrics};
use indicatif::HumanBytes;

use crate::tally::Tally;

pub(crate) fn print(tally: &Tally, metrics: &Metrics, wall: Duration) {
    let row = |name: &str, value: String| println!("{name:<22} {value}");
    println!();
    row(
        "files",
        format!("{} fetched, {} failed", tally.fetched(), tally.failed()),
    );
    row("bytes", HumanBytes(tally.bytes()).to_string());
    row("wall time", seconds(wall));
    let ratio = tally.latency().as_secs_f64() / wall.as_secs_f64();
    row(
        "latencies, summed",
        format!(
            "{} ({ratio:.0} times the wall time)",
            seconds(tally.latency())
        ),
    );
    row("hashing, summed", seconds(tally.hashing()));
    row("greenlets at the peak", tally.peak().to_string());

    println!();
    line(
        "hub",
        [
            "spawned",
            "started",
            "finished",
            "stole",
            "in thefts",
            "lost",
            "parks",
            "slices",
        ],
    );
    for (lane, hubs) in [
        ("main", metrics.hubs()),
        ("compute", metrics.compute_hubs()),
    ] {
        for (number, hub) in hubs.iter().enumerate() {
            line(&format!("{lane} {number}"), counts(hub));
        }
    }
}

/// A hub `stole` greenlets from others, some with each theft, and `lost` those that others stole from it.
fn counts(hub: &HubMetrics) -> [u64; 8] {
    [
        hub.spawned,
        hub.started,
        hub.finished,
        hub.stolen_by,
        hub.thefts,
        hub.stolen_from,
        hub.parks,
        hub.slices,
    ]
}

fn line(hub: &str, columns: [impl Display; 8]) {
    print!("{hub:<11}");
    for column in columns {
        print!(" {column:>9}");
    }
    println!();
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
