//! How a runtime is to be.

use std::io;

use super::dump_signal;
use super::instance::Runtime;
use super::panic_hook;
use crate::detector::{self, BlockingDetector, Watchdog};
use crate::fiber::{Guards, StackPool, StackSize};
use crate::primitive::sync::Arc;
use crate::scheduler::{self, Config, Observer};

/// The most hubs that a lane may have.
const MOST_HUBS: usize = 4096;

/// Builds a [`Runtime`].
///
/// ```
/// use greenhub::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder()
///     .hubs(2)
///     .stack_size(512 * 1024)
///     .thread_name("worker")
///     .build()?;
/// assert_eq!(runtime.run(|| 6 * 7), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    hubs: Option<usize>,
    compute_hubs: Option<usize>,
    stack_size: usize,
    thread_name: String,
    max_greenlets: Option<usize>,
    detector: Option<BlockingDetector>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// One hub a core in each lane, stacks of 256 KiB, threads called `greenhub-0`, …; no limit to the greenlets.
    pub fn new() -> Builder {
        Builder {
            hubs: None,
            compute_hubs: None,
            stack_size: StackSize::DEFAULT.bytes(),
            thread_name: String::from("greenhub"),
            max_greenlets: None,
            detector: None,
        }
    }

    /// How many hubs the main lane has, each a thread.
    pub fn hubs(mut self, hubs: usize) -> Builder {
        self.hubs = Some(hubs);
        self
    }

    /// How many hubs the compute lane has, each a thread that starts at the first
    /// [`spawn_compute`](crate::spawn_compute). By default as many as the main lane.
    pub fn compute_hubs(mut self, hubs: usize) -> Builder {
        self.compute_hubs = Some(hubs);
        self
    }

    /// The size in bytes of every greenlet's stack, from 16 KiB to 1 GiB, rounded up to a power of two, and to 64 KiB at least: so
    /// much needs a panic that prints a backtrace, which on a smaller stack would end the process. It is address space: memory
    /// is used page by page, as the stack is.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = bytes;
        self
    }

    /// What the hubs' threads are called: `prefix-0`, …, and `prefix-compute-0`, ….
    pub fn thread_name(mut self, prefix: impl Into<String>) -> Builder {
        self.thread_name = prefix.into();
        self
    }

    /// The most greenlets that may be alive at once. A spawn beyond it fails: [`Builder::spawn`](crate::Builder::spawn)
    /// with an error, [`spawn`](crate::spawn) with a panic.
    pub fn max_greenlets(mut self, greenlets: usize) -> Builder {
        self.max_greenlets = Some(greenlets);
        self
    }

    /// Watches for greenlets that keep their hub. Without this the detector is on if the environment variable
    /// `GREENHUB_MAX_BLOCKING_TIME` says so: see [`greenhub::detector`](crate::detector).
    pub fn detector(mut self, detector: BlockingDetector) -> Builder {
        self.detector = Some(detector);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a number is out of its range, which the message names. Otherwise the operating system's error if
    /// it refuses a thread or a poller.
    pub fn build(self) -> io::Result<Runtime> {
        let hubs = match self.hubs {
            Some(hubs) => within("hubs", hubs, MOST_HUBS)?,
            None => num_cpus::get().clamp(1, MOST_HUBS),
        };
        let compute_hubs = match self.compute_hubs {
            Some(hubs) => within("compute_hubs", hubs, MOST_HUBS)?,
            None => hubs,
        };
        let max_greenlets = match self.max_greenlets {
            Some(greenlets) => Some(within("max_greenlets", greenlets, usize::MAX / 2)?),
            None => None,
        };
        let stack_size = StackSize::new(self.stack_size)?;
        if self.thread_name.contains('\0') {
            return Err(invalid(String::from(
                "a runtime's thread_name must not contain a zero byte",
            )));
        }
        panic_hook::install();
        let detector = self.detector.or_else(detector::from_environment);
        let watchdog = detector.map(|detector| Watchdog::new(detector, hubs));
        let config = Config {
            hubs,
            compute_hubs,
            thread_name: self.thread_name,
            max_greenlets,
            observer: watchdog
                .clone()
                .map(|watchdog| watchdog as Arc<dyn Observer>),
        };
        let shared = scheduler::start(config, StackPool::new(stack_size, Guards::Probe))?;
        let runtime = Runtime::of(shared);
        dump_signal::include(runtime.shared());
        if let Some(watchdog) = watchdog {
            watchdog.start(runtime.shared())?;
        }
        Ok(runtime)
    }
}

impl Runtime {
    /// A runtime with one hub a core.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread or a poller.
    pub fn new() -> io::Result<Runtime> {
        Builder::new().build()
    }

    /// A runtime of another size.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

fn within(what: &str, value: usize, most: usize) -> io::Result<usize> {
    if (1..=most).contains(&value) {
        Ok(value)
    } else {
        Err(invalid(format!(
            "a runtime's {what} must be from 1 to {most}, not {value}"
        )))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
