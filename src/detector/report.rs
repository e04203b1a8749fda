//! What is said of a greenlet that keeps its hub.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::cause::Cause;
use super::frame::Frame;
use crate::greenlet::{Greenlet, GreenletId};

/// A greenlet has kept its hub for longer than is allowed. Its `Display` is the text that goes to stderr.
#[derive(Clone, Debug)]
pub struct BlockingReport {
    pub(crate) greenlet: Greenlet,
    pub(crate) hub: usize,
    pub(crate) elapsed: Duration,
    pub(crate) cause: Cause,
    pub(crate) stack: Vec<Frame>,
    pub(crate) stranded: usize,
    pub(crate) longest_wait: Duration,
    pub(crate) repeats: u64,
    pub(crate) isolated: bool,
}

impl BlockingReport {
    /// The greenlet's number.
    #[must_use]
    pub fn greenlet(&self) -> GreenletId {
        self.greenlet.id()
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.greenlet.name()
    }

    /// The place in the source that spawned it.
    #[must_use]
    pub fn spawned_at(&self) -> &Location<'static> {
        self.greenlet.spawned_at()
    }

    /// The number of its hub in the main lane: the thread is called `greenhub-0` for hub 0, unless the runtime's builder
    /// was told otherwise.
    #[must_use]
    pub fn hub(&self) -> usize {
        self.hub
    }

    /// For how long, at least, it had run without a break when it was reported.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// What it was doing.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Where it was, the innermost function first. Empty where the platform lets nobody look.
    #[must_use]
    pub fn stack(&self) -> &[Frame] {
        &self.stack
    }

    /// How many greenlets were ready on its hub, or slept there though their time had come, and could not run because of it.
    #[must_use]
    pub fn stranded(&self) -> usize {
        self.stranded
    }

    /// For how long, at least, one of them had been ready. A sleeper whose time had come before this slice began has been so for longer
    /// than the slice has lasted.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        self.longest_wait
    }

    /// How often the same had been seen before: the same stack, or, where there are no stacks, the same cause in a
    /// greenlet from the same place. Of a fault that comes again and again the first, second, fourth, eighth … are
    /// reported.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// From now on greenlets that are spawned at the same place start on the compute lane, as
    /// [`BlockingDetector::isolate`](super::BlockingDetector::isolate) asks for.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }
}

impl fmt::Display for BlockingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "greenhub: blocked: {} has kept hub {} for {}",
            self.greenlet.describe(),
            self.hub,
            Rounded(self.elapsed)
        )?;
        if self.repeats > 0 {
            match self.repeats {
                1 => f.write_str("; the same was seen once before")?,
                repeats => write!(f, "; the same was seen {repeats} times before")?,
            }
        }
        write!(f, "\n    cause: {}", self.cause)?;
        write!(f, "\n    to do: {}", self.cause.advice())?;
        match self.stranded {
            0 => f.write_str("\n    stranded: nobody")?,
            count => write!(
                f,
                "\n    stranded: {count} ready behind it, the longest for {}",
                Rounded(self.longest_wait)
            )?,
        }
        if self.isolated {
            f.write_str(
                "\n    isolated: what is spawned there starts on the compute lane from now on",
            )?;
        }
        for (depth, frame) in self.stack.iter().enumerate() {
            write!(f, "\n    {depth:>3}: {frame}")?;
        }
        Ok(())
    }
}

/// A duration in the unit that fits, to three digits or so.
pub(crate) struct Rounded(pub(crate) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rounded(duration) = self;
        if duration.as_secs() >= 10 {
            write!(f, "{:.1} s", duration.as_secs_f64())
        } else if duration.as_millis() >= 10 {
            write!(f, "{} ms", duration.as_millis())
        } else {
            write!(f, "{:.2} ms", duration.as_secs_f64() * 1e3)
        }
    }
}
