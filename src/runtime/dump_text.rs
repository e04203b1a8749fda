//! How a dump reads.
//!
//! Up to [`FEW`] greenlets have a line each, and their stacks. Beyond that those that are alike share one: a hundred thousand
//! connections that all wait for a request are one line, and the odd one out is seen beside it.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::dump::{
    Dump, GreenletDump, GreenletKind, GreenletState, HubActivity, HubDump, Lane, Waits,
};
use crate::greenlet::WaitKind;

/// So many greenlets are listed one by one.
const FEW: usize = 100;

/// So many groups are listed, the largest first.
const MOST_GROUPS: usize = 100;

/// So many numbers of a group's greenlets are named.
const EXAMPLES: usize = 5;

/// What the greenlets of a group have in common.
type Key = (
    GreenletState,
    Option<(WaitKind, &'static Location<'static>)>,
    &'static Location<'static>,
    GreenletKind,
    Lane,
    bool,
);

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_heading(f)?;
        for hub in &self.hubs {
            writeln!(f, "{hub}")?;
        }
        if f.alternate() || self.greenlets.len() <= FEW {
            let mut shown = HashMap::new();
            for greenlet in &self.greenlets {
                writeln!(f, "{greenlet}")?;
                match shown.get(&greenlet.stack) {
                    Some(same) => writeln!(f, "    the stack of greenlet #{same}")?,
                    None => write_stack(f, greenlet)?,
                }
                if !greenlet.stack.is_empty() {
                    shown.entry(&greenlet.stack).or_insert(greenlet.id);
                }
            }
        } else {
            self.write_groups(f)?;
        }
        if self.unlisted > 0 {
            writeln!(f, "and {} more that have not started", self.unlisted)?;
        }
        Ok(())
    }
}

impl Dump {
    fn write_heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.greenlets.len() + self.unlisted;
        write!(
            f,
            "runtime '{}': {}",
            self.runtime,
            Count(count, "greenlet")
        )?;
        let states = [
            GreenletState::Running,
            GreenletState::Ready,
            GreenletState::Parked,
            GreenletState::Fresh,
            GreenletState::Ended,
        ];
        let mut lead = " (";
        for state in states {
            let mut count = self
                .greenlets
                .iter()
                .filter(|one| one.state == state)
                .count();
            if state == GreenletState::Fresh {
                count += self.unlisted;
            }
            if count > 0 {
                write!(f, "{lead}{count} {state}")?;
                lead = ", ";
            }
        }
        if count > 0 {
            f.write_str(")")?;
        }
        write!(f, ", {}", Count(self.hubs.len(), "hub"))?;
        if self.injected > 0 {
            write!(
                f,
                ", {} from outside that no hub has taken up",
                self.injected
            )?;
        }
        writeln!(f)
    }

    fn write_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: HashMap<Key, Vec<&GreenletDump>> = HashMap::new();
        for greenlet in &self.greenlets {
            groups.entry(key(greenlet)).or_default().push(greenlet);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        // The largest first, and in an order that is always the same.
        groups.sort_by_key(|(key, members)| (std::cmp::Reverse(members.len()), *key));
        for (_, members) in groups.iter().take(MOST_GROUPS) {
            match members[..] {
                [one] => writeln!(f, "{one}")?,
                _ => write_group(f, members)?,
            }
            write_stack(f, members[0])?;
        }
        let others = groups.get(MOST_GROUPS..).unwrap_or_default();
        let greenlets: usize = others.iter().map(|(_, members)| members.len()).sum();
        if greenlets > 0 {
            writeln!(f, "and {} in other places", Count(greenlets, "greenlet"))?;
        }
        Ok(())
    }
}

fn key(greenlet: &GreenletDump) -> Key {
    (
        greenlet.state,
        greenlet.waits.map(|waits| (waits.kind, waits.place)),
        greenlet.spawned_at,
        greenlet.kind,
        greenlet.lane,
        greenlet.starts_in.is_some(),
    )
}

fn write_group(f: &mut fmt::Formatter<'_>, members: &[&GreenletDump]) -> fmt::Result {
    let one = members[0];
    write!(f, "{} greenlets: {}", members.len(), one.state)?;
    if let Some(waits) = one.waits {
        write!(f, " in {} at {}", waits.kind, waits.place)?;
        write_range(f, " for", members, GreenletDump::waited)?;
    }
    write_range(f, ", to start in", members, GreenletDump::starts_in)?;
    write!(f, ", {}", one.kind)?;
    if one.lane == Lane::Compute {
        f.write_str(" on the compute lane")?;
    }
    write!(f, ", spawned at {}:", one.spawned_at)?;
    for greenlet in members.iter().take(EXAMPLES) {
        write!(f, " #{}", greenlet.id)?;
    }
    if members.len() > EXAMPLES {
        f.write_str(" ...")?;
    }
    writeln!(f)
}

fn write_range(
    f: &mut fmt::Formatter<'_>,
    lead: &str,
    members: &[&GreenletDump],
    time: fn(&GreenletDump) -> Option<Duration>,
) -> fmt::Result {
    let times = || members.iter().filter_map(|one| time(one));
    match (times().min(), times().max()) {
        (Some(least), Some(most)) if least == most => write!(f, "{lead} {least:.1?}"),
        (Some(least), Some(most)) => write!(f, "{lead} {least:.1?} to {most:.1?}"),
        _ => Ok(()),
    }
}

fn write_stack(f: &mut fmt::Formatter<'_>, greenlet: &GreenletDump) -> fmt::Result {
    for frame in &greenlet.stack {
        writeln!(f, "    {frame}")?;
    }
    Ok(())
}

impl fmt::Display for GreenletDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "greenlet #{}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " '{name}'")?;
        }
        write!(f, ": {}", self.state)?;
        if let Some(waits) = self.waits {
            let Waits { kind, place, since } = waits;
            write!(f, " in {kind} at {place} for {since:.1?}")?;
        }
        if let Some(delay) = self.starts_in {
            write!(f, ", to start in {delay:.1?}")?;
        }
        write!(f, ", {}", self.kind)?;
        match (self.hub, self.lane) {
            (Some(hub), lane) => write!(f, " on {}", HubName(lane, hub))?,
            (None, Lane::Compute) => f.write_str(" on the compute lane")?,
            (None, Lane::Main) => {}
        }
        write!(f, ", spawned at {}", self.spawned_at)
    }
}

impl fmt::Display for HubDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", HubName(self.lane, self.index))?;
        match self.state {
            HubActivity::Idle => f.write_str("idle")?,
            HubActivity::Running(Some(id)) => write!(f, "runs greenlet #{id}")?,
            HubActivity::Running(None) => f.write_str("runs a greenlet")?,
            HubActivity::Searching => f.write_str("looks for work")?,
            HubActivity::Ended => f.write_str("has ended")?,
        }
        if self.is_stuck() {
            f.write_str(", and gives no answer")?;
        }
        if !self.is_listed() {
            f.write_str(", so its settled greenlets are missing here")?;
        }
        let counts = [
            (self.ready, "ready"),
            (self.stealable, "to steal"),
            (self.stackless, "without a stack"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        for (count, what) in [(self.timers, "timer"), (self.sockets, "socket")] {
            if count > 0 {
                write!(f, ", {}", Count(count, what))?;
            }
        }
        Ok(())
    }
}

/// A hub, as every line spells it.
struct HubName(Lane, usize);

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Lane::Main => write!(f, "hub {}", self.1),
            Lane::Compute => write!(f, "compute hub {}", self.1),
        }
    }
}

/// So many of a thing.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

impl fmt::Display for GreenletState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GreenletState::Running => "running",
            GreenletState::Ready => "ready",
            GreenletState::Parked => "parked",
            GreenletState::Fresh => "fresh",
            GreenletState::Ended => "ended",
        })
    }
}

impl fmt::Display for GreenletKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GreenletKind::Settled => "settled",
            GreenletKind::Migrating => "migrating",
            GreenletKind::Local => "local",
        })
    }
}
