//! What the measurements say: tables for people, in Markdown so that they can be published as they are; JSON for
//! programs.

use std::fmt::Write;

use crate::measure::{Comparison, Lane};
use crate::peer::{MIGRATING, SETTLED};
use crate::scenario::Rival;

/// A table for each scenario, and one of the aims.
pub(crate) fn tables(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "Nanoseconds an operation. A share is greenhub's time in that of the row, with as many workers: the median of \
         the rounds' own shares. Below 1, greenhub is the faster.\n\n",
    );
    for comparison in comparisons {
        let scenario = comparison.scenario;
        text += &format!("{}: {}\n\n", scenario.name, scenario.what);
        text += &table(comparison);
        text += &absent(comparison);
        text.push('\n');
    }
    text += &aims(comparisons);
    text
}

fn table(comparison: &Comparison) -> String {
    let scales = comparison.scenario.workers.contains(&1);
    let mut table = Table::default();
    let mut heads = vec![
        "peer",
        "workers",
        "median",
        "min",
        "greenhub's share",
        "migrating's share",
    ];
    if scales {
        heads.push("of its 1 worker");
    }
    table.row(heads.into_iter().map(str::to_owned));
    for lane in &comparison.lanes {
        let share = |of| {
            let greenhub = comparison.lane(of, lane.workers)?;
            greenhub.share_of(lane)
        };
        let mut cells = vec![
            lane.peer.name.to_owned(),
            lane.workers.to_string(),
            number(lane.median(), 1),
            number(lane.min(), 1),
            number(share(SETTLED), 2),
            number(share(MIGRATING), 2),
        ];
        if scales {
            cells.push(number(of_one_worker(comparison, lane), 2));
        }
        table.row(cells);
    }
    table.text()
}

/// Who is not in the table, or has no numbers there, and why.
fn absent(comparison: &Comparison) -> String {
    let mut text = String::new();
    let failed = comparison.lanes.iter().filter_map(|lane| {
        let reason = lane.rounds.as_ref().err()?;
        Some((lane.peer, lane.workers, reason.as_str()))
    });
    for (peer, workers, reason) in comparison.declined.iter().copied().chain(failed) {
        let workers = match workers {
            1 => "1 worker".to_owned(),
            _ => format!("{workers} workers"),
        };
        text += &format!("\nNot {} with {workers}: {reason}.\n", peer.name);
    }
    text
}

/// A lane's time as a share of the same peer's with one worker.
fn of_one_worker(comparison: &Comparison, lane: &Lane) -> Option<f64> {
    if lane.workers == 1 {
        return None;
    }
    lane.share_of(comparison.lane(lane.peer.name, 1)?)
}

/// What greenhub aims at beside what it reached, for the scenarios measured.
fn aims(comparisons: &[Comparison]) -> String {
    let mut table = Table::default();
    table.row(["aim", "at most", "greenhub", "migrating"].map(str::to_owned));
    let mut any = false;
    for comparison in comparisons {
        let scenario = comparison.scenario;
        let Some(aim) = &scenario.aim else {
            continue;
        };
        any = true;
        let workers = scenario.workers[0];
        let reached = |peer| {
            let lane = comparison.lane(peer, workers)?;
            match aim.of {
                Rival::Peer(rival) => lane.share_of(comparison.lane(rival, workers)?),
                Rival::OneWorker => of_one_worker(comparison, lane),
            }
        };
        let verdict = |share: Option<f64>| match share {
            Some(share) if share <= aim.share => format!("{share:.2}"),
            Some(share) => format!("{share:.2} (missed)"),
            None => number(None, 2),
        };
        let rival = match aim.of {
            Rival::Peer(rival) => rival,
            Rival::OneWorker => "its 1 worker",
        };
        table.row([
            format!("{} of {rival}", scenario.name),
            format!("{:.2}", aim.share),
            verdict(reached(SETTLED)),
            verdict(reached(MIGRATING)),
        ]);
    }
    if any { table.text() } else { String::new() }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A Markdown table whose columns also line up as plain text.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(3)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            text += &line(row, &widths);
            if index == 0 {
                // Names to the left, numbers to the right.
                let rule = |(column, &width): (usize, &usize)| match column {
                    0 => "-".repeat(width),
                    _ => "-".repeat(width - 1) + ":",
                };
                let rules: Vec<_> = widths.iter().enumerate().map(rule).collect();
                text += &line(&rules, &widths);
            }
        }
        text
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        text += &match column {
            0 => format!("| {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        };
    }
    text.push('\n');
    text
}

/// Every sample: an array with an object for each lane.
pub(crate) fn json(comparisons: &[Comparison]) -> String {
    let lanes = comparisons.iter().flat_map(|comparison| {
        let object = |lane| json_lane(comparison, lane);
        comparison.lanes.iter().map(object)
    });
    format!("[\n{}\n]\n", lanes.collect::<Vec<_>>().join(",\n"))
}

fn json_lane(comparison: &Comparison, lane: &Lane) -> String {
    let mut text = format!(
        r#"  {{"scenario": "{}", "peer": "{}", "workers": {}, "iterations": {}"#,
        comparison.scenario.name, lane.peer.name, lane.workers, lane.iterations,
    );
    let mut field = |name: &str, value: String| {
        write!(text, r#", "{name}": {value}"#).expect("a String takes all");
    };
    let or_null = |value: Option<f64>| value.map_or("null".to_owned(), |value| value.to_string());
    match &lane.rounds {
        Ok(rounds) => {
            let rounds: Vec<_> = rounds.iter().map(f64::to_string).collect();
            field("nanoseconds", format!("[{}]", rounds.join(", ")));
        }
        Err(reason) => field("error", json_string(reason)),
    }
    field("median", or_null(lane.median()));
    field("min", or_null(lane.min()));
    for (name, of) in [("greenhub_share", SETTLED), ("migrating_share", MIGRATING)] {
        let greenhub = comparison.lane(of, lane.workers);
        field(name, or_null(greenhub.and_then(|own| own.share_of(lane))));
    }
    field("idle_cpu", or_null(lane.idle_cpu));
    text.push('}');
    text
}

fn json_string(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a String takes all");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
