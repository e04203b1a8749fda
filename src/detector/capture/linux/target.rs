//! One hub's thread, as whoever watches it sees it.

use std::thread;
use std::time::{Duration, Instant};

use super::super::activity::Activity;
use super::super::probe::SliceProbe;
use super::activity::{self, Progress};
use super::signal::{self, Alarm};
use super::slot::{self, Copied, PIECE, Question, Slot};
use super::snapshot::{Registers, Snapshot};
use super::stacks;
use crate::primitive::peek;

/// How often a capture looks at the thread before it gives up.
const LOOKS: u32 = 8;

/// How long a thread must have computed without waiting for anything before it is asked, at first; after each look
/// that finds it otherwise, twice as long, up to the second value.
const STRETCH: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// How long a capture waits for the signal's handler: a busy machine may let the thread wait for its processor.
const PATIENCE: Duration = Duration::from_millis(100);

/// The first pause and the longest one between looks for the handler's answer.
const PAUSE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));

/// A thread to watch. Its buffer, allocated with it, outlives it: a signal may come late.
#[derive(Debug)]
pub(crate) struct Target {
    thread: u32,
    clock: Option<libc::clockid_t>,
    slot: &'static Slot,
}

impl Target {
    /// The calling thread, which must be a hub's.
    pub(crate) fn of_this_thread() -> Target {
        if stacks::ARE_READ {
            signal::install();
        }
        // SAFETY: gettid has no preconditions.
        let thread = unsafe { libc::gettid() } as u32;
        Target {
            thread,
            clock: activity::clock_of_this_thread(),
            slot: slot::take(thread),
        }
    }

    /// What the thread does.
    pub(crate) fn activity(&self) -> Activity {
        activity::of_thread(self.thread)
    }

    /// The processor time that the thread has used; `None` if it has ended.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        activity::cpu_time(self.clock?)
    }

    /// Copies the stack of the greenlet whose slice `probe` means; `None` if the slice ends meanwhile, or if the thread
    /// allows it in no way. Blocks the calling thread for some milliseconds, 200 at the longest.
    ///
    /// A thread that waits in a system call is not asked: the system tells its stack pointer, and copies its stack.
    ///
    /// A thread that runs gets a signal, in a way that interrupts no call ([`signal`]), but only at the end of a stretch in
    /// which it has computed and has not waited once: one that goes in and out of system calls is rather caught inside one.
    pub(crate) fn capture(&self, probe: &SliceProbe<'_>) -> Option<Snapshot> {
        if !stacks::ARE_READ {
            return None;
        }
        let mut before = self.progress();
        let mut stretch = STRETCH.0;
        for _ in 0..LOOKS {
            if !probe.holds() {
                return None;
            }
            let activity = self.activity();
            if let Activity::InSyscall { sp, pc, .. } | Activity::Waiting { sp, pc } = activity {
                if let Some(snapshot) = self.copy_waiting(probe, activity, sp, pc) {
                    return Some(snapshot);
                }
            }
            thread::sleep(stretch);
            stretch = (stretch * 2).min(STRETCH.1);
            let now = self.progress();
            let has_computed = now.has_only_computed_since(&before);
            before = now;
            if has_computed && matches!(self.activity(), Activity::Running | Activity::Unknown) {
                return self.copy_running(probe);
            }
        }
        None
    }

    /// Has the thread itself copy its stack.
    fn copy_running(&self, probe: &SliceProbe<'_>) -> Option<Snapshot> {
        let question = Question {
            word: probe.word,
            expected: probe.expected,
        };
        let asking = self.slot.mailbox.ask(question)?;
        let alarm = self.clock.map(|clock| Alarm::set(self.slot, clock));
        // If it could not be set, there will be no answer.
        let is_set = matches!(alarm, Some(Ok(_)));
        let mut patience = if is_set { PATIENCE } else { Duration::ZERO };
        let begin = Instant::now();
        let mut pause = PAUSE.0;
        let wait = || {
            if begin.elapsed() >= patience {
                patience = Duration::ZERO;
                return false;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
            true
        };
        asking.wait(wait, snapshot_of).flatten()
    }

    /// Copies the stack of a thread that waits, as `activity` says, at `pc` with the stack pointer `sp`.
    fn copy_waiting(
        &self,
        probe: &SliceProbe<'_>,
        activity: Activity,
        sp: u64,
        pc: u64,
    ) -> Option<Snapshot> {
        let waits = self.progress().waits;
        // It may be less: above a stack there is a page that cannot be read, another stack's guard.
        let mut stack = vec![0; PIECE];
        let length = peek(sp as usize, &mut stack).unwrap_or(0);
        stack.truncate(length);
        // It has stood still all the time if it is where it was, and has not begun another wait.
        let stood_still =
            self.activity() == activity && self.progress().waits == waits && probe.holds();
        let registers = Registers {
            pc,
            sp,
            fp: None,
            lr: None,
        };
        (stood_still && length > 0).then(|| Snapshot {
            registers,
            stack: stack.into(),
            is_cut: length == PIECE,
        })
    }

    fn progress(&self) -> Progress {
        activity::progress(self.thread, self.clock)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        slot::give_back(self.slot);
    }
}

/// What the handler has copied, if it has.
fn snapshot_of(copied: &Copied) -> Option<Snapshot> {
    let bytes = &copied.bytes[..copied.length];
    // SAFETY: the handler has filled in that many.
    let stack: &[u8] = unsafe { &*(std::ptr::from_ref(bytes) as *const [u8]) };
    (copied.length > 0).then(|| Snapshot {
        registers: copied.registers,
        stack: stack.into(),
        is_cut: copied.is_cut,
    })
}
